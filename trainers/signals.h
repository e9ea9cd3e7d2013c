// Signals that a run answers: SIGTERM and SIGINT save and stop, SIGUSR1 saves and goes on.
#pragma once

namespace lf {

// Installs the handlers for as long as it lives. A second SIGINT or SIGTERM ends the process at once.
class SignalScope {
 public:
  SignalScope();
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  int stop_signal() const;   // SIGTERM or SIGINT once it came, else 0
  bool take_save_request();  // whether SIGUSR1 came since the last call
};

}  // namespace lf
