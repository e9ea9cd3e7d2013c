#include "trainers/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "core/check.h"
#include "core/messages.h"

namespace lf {
namespace {

using Clock = std::chrono::steady_clock;

// Whoever stops a program often does so twice: timeout(1) signals the process and then its group.
constexpr auto kSameRequest = std::chrono::milliseconds(200);

// The answered signals that the parent has not set to ignored: nohup, a shell's background job.
sigset_t held_signals() {
  sigset_t held;
  sigemptyset(&held);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) {
    struct sigaction action = {};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&held, signal);
  }
  return held;
}

// Blocks or unblocks signals in this thread.
void change_mask(int how, const sigset_t& signals) {
  const int failure = pthread_sigmask(how, &signals, nullptr);
  CHECK(failure == 0, "cannot change which signals are blocked: ", std::generic_category().message(failure));
}

[[noreturn]] void end_before_the_run(int signal) {
  const std::string line = text("stopped by signal ", signal, " before the first step: nothing is lost\n");
  if (messages::rank() == 0) (void)!::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(128 + signal);
}

void end_at_once(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  change_mask(SIG_UNBLOCK, only);
  ::kill(::getpid(), signal);
  ::_exit(128 + signal);  // the first process of a container, which the system does not end so
}

class SignalThread {
 public:
  explicit SignalThread(std::shared_ptr<RunRequests> requests) : requests_(std::move(requests)) {}

  void operator()() {
    pthread_setname_np(pthread_self(), "signals");
    const sigset_t held = held_signals();
    for (;;) {
      int signal = 0;
      if (sigwait(&held, &signal) == 0) answer(signal);
    }
  }

 private:
  void answer(int signal) {
    if (signal == SIGUSR1) return requests_->save();
    if (!requests_->begun()) end_before_the_run(signal);
    // A lost terminal sends SIGHUP more than once, and a logout SIGTERM too.
    const auto now = Clock::now();
    if (signal != SIGHUP && signal != SIGUSR2 && asked_ && now - first_asked_ > kSameRequest)
      end_at_once(signal);
    if (signal != SIGHUP && signal != SIGUSR2 && !asked_) {
      asked_ = true;
      first_asked_ = now;
    }
    if (requests_->stop_signal() == 0) requests_->stop(signal);
  }

  std::shared_ptr<RunRequests> requests_;
  bool asked_ = false;  // by SIGTERM or SIGINT
  Clock::time_point first_asked_;
};

}  // namespace

void hold_signals() { change_mask(SIG_BLOCK, held_signals()); }

std::shared_ptr<RunRequests> answer_signals() {
  auto requests = std::make_shared<RunRequests>();
  std::thread(SignalThread(requests)).detach();
  return requests;
}

}  // namespace lf
