#include "cli/supervise.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/launch.h"
#include "core/check.h"
#include "core/communicator/communicator.h"
#include "core/messages.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/run_folder.h"

namespace lf::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kRestartsWithoutProgress = 3;

// Saves and stops every rank: the launcher passes it on, while SIGTERM makes it kill them.
constexpr int kStopRanks = SIGUSR2;

// The run is started in its folder, or goes on there.
std::vector<std::string> arguments_for(std::vector<std::string> arguments, const std::string& run) {
  const bool resumes = std::find(arguments.begin(), arguments.end(), "--resume") != arguments.end();
  if (!resumes && fs::exists(run + "/" + kConfigName)) arguments.push_back("--resume");
  return arguments;
}

pid_t start(const std::vector<std::string>& command) {
  const pid_t parent = ::getpid(), child = ::fork();
  CHECK(child >= 0, "cannot start ", command.front(), ": no further process");
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // nobody is left behind
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::getppid() != parent) ::_exit(kFailed);
  become(command);
}

// Waits for its end, passing on what is requested meanwhile; the exit code, or 128 + the signal.
int wait_for(pid_t child, int64_t ranks, RunRequests& requests) {
  bool stopped = false;
  for (int status = 0;;) {
    if (::waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (requests.take_save()) ::kill(child, SIGUSR1);
    if (requests.stop_signal() != 0 && !stopped) {
      ::kill(child, ranks > 1 ? kStopRanks : requests.stop_signal());
      stopped = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Whether the same start may go better: a process was killed or crashed, or a rank was lost. What Longform
// itself gives up, such as a full disk, it would give up again.
bool may_go_better(int code) {
  return code == kLostRank ||
         (code > 128 && code != 128 + SIGTERM && code != 128 + SIGINT && code != 128 + SIGHUP);
}

}  // namespace

int supervise(const std::string& run, const Supervision& supervision,
              const std::shared_ptr<RunRequests>& requests) {
  if (started_by_mpi()) throw UsageError("--ranks and --max-restarts start ranks; leave the launcher out");
  requests->begin();
  const std::vector<std::string> arguments = own_arguments_without({"--ranks", "--max-restarts"});
  int without_progress = 0;
  for (int64_t restarts = 0;; ++restarts) {
    const auto before = latest_checkpoint(run);
    const int code = wait_for(start(command_of(arguments_for(arguments, run), supervision.ranks)),
                              supervision.ranks, *requests);
    if (requests->stop_signal() != 0) return code == 0 ? 0 : 128 + requests->stop_signal();
    if (!may_go_better(code) || restarts == supervision.max_restarts) return code;
    without_progress = latest_checkpoint(run) == before ? without_progress + 1 : 0;
    if (without_progress == kRestartsWithoutProgress) {
      messages::error(text("the run has ended ", kRestartsWithoutProgress,
                           " times in a row without a new checkpoint; it is not started again"));
      return code;
    }
    messages::warning(text("the run ended with exit code ", code, "; restart ", restarts + 1, " of ",
                           supervision.max_restarts));
  }
}

}  // namespace lf::cli
