#include "trainers/signals.h"

#include <csignal>
#include <initializer_list>

namespace lf {
namespace {

volatile std::sig_atomic_t stop_requested = 0;
volatile std::sig_atomic_t save_requested = 0;

void on_stop(int signal) {
  stop_requested = signal;
  std::signal(signal, SIG_DFL);
}

void on_save(int) { save_requested = 1; }

void install(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

SignalScope::SignalScope() {
  stop_requested = 0;
  save_requested = 0;
  install(SIGTERM, on_stop);
  install(SIGINT, on_stop);
  install(SIGUSR1, on_save);
}

SignalScope::~SignalScope() {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) install(signal, SIG_DFL);
}

int SignalScope::stop_signal() const { return stop_requested; }

bool SignalScope::take_save_request() {
  const bool requested = save_requested != 0;
  save_requested = 0;
  return requested;
}

}  // namespace lf
