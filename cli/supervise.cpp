#include "cli/supervise.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "cli/launch.h"
#include "core/check.h"
#include "core/communicator/communicator.h"
#include "core/messages.h"
#include "core/seconds.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/run_folder.h"
#include "trainers/run/run_log.h"

namespace lf::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kRestartsWithoutProgress = 3;
constexpr int kLaunchersSeconds = 10;  // for a launcher to end after its ranks

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

// The processes of this program that the process has started, itself or through others.
std::vector<pid_t> ranks_below(pid_t parent) {
  std::ifstream children(text("/proc/", parent, "/task/", parent, "/children"));
  std::vector<pid_t> ranks;
  for (pid_t child = 0; children >> child;) {
    std::error_code gone;
    if (fs::read_symlink(text("/proc/", child, "/exe"), gone) == fs::read_symlink("/proc/self/exe"))
      ranks.push_back(child);
    const std::vector<pid_t> below = ranks_below(child);
    ranks.insert(ranks.end(), below.begin(), below.end());
  }
  return ranks;
}

// What one rank is told, all do. Launchers differ in what they pass on, and some kill the ranks at SIGTERM.
void tell_run(pid_t child, int64_t ranks, int signal) {
  const std::vector<pid_t> here = ranks > 1 ? ranks_below(child) : std::vector<pid_t>();
  ::kill(here.empty() ? child : here.front(), signal);
}

// A launcher waits for what it has started on other machines, for ever where one of them is cut off. It is
// given some seconds from the end of the last rank of this machine.
class LauncherWatch {
 public:
  explicit LauncherWatch(pid_t launcher) : launcher_(launcher) {}

  // Looks once a second, until there are ranks at every call, and kills the launcher when its time is over;
  // true then.
  bool ends_it() {
    const double now = seconds_now();
    if (last_seen_ > 0 && now - looked_ < 1) return false;
    looked_ = now;
    if (!ranks_below(launcher_).empty()) {
      last_seen_ = now;
      return false;
    }
    if (last_seen_ == 0 || now - last_seen_ < kLaunchersSeconds) return false;
    messages::warning(text("all ranks of this machine have ended, but their launcher has not for ",
                           kLaunchersSeconds, " s; it is ended"));
    ::kill(launcher_, SIGKILL);
    return true;
  }

 private:
  const pid_t launcher_;
  double looked_ = 0, last_seen_ = 0;  // seconds_now(); a rank, 0: none so far
};

// Waits for its end, passing on what is requested meanwhile; the exit code, or 128 + the signal.
int wait_for(pid_t child, int64_t ranks, RunRequests& requests) {
  bool stopped = false, ended_here = false;
  LauncherWatch watch(child);
  for (int status = 0;;) {
    if (::waitpid(child, &status, WNOHANG) == child) {
      if (ended_here) return kLostRank;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (ranks > 1 && !ended_here) ended_here = watch.ends_it();
    if (requests.take_save()) tell_run(child, ranks, SIGUSR1);
    if (requests.stop_signal() != 0 && !stopped) {
      tell_run(child, ranks, requests.stop_signal());
      stopped = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Whether the same start may go better: a process was killed or crashed, or a rank was lost. What Longform
// itself gives up, such as a full disk, it would give up again. MPICH's launcher ends with a signal's bare
// number.
bool may_go_better(int code) {
  return code == kLostRank || (code >= SIGILL && code <= SIGSEGV) ||
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
    if (requests->stop_signal() != 0) return code;
    if (!may_go_better(code) || restarts == supervision.max_restarts) return code;
    without_progress = latest_checkpoint(run) == before ? without_progress + 1 : 0;
    if (without_progress == kRestartsWithoutProgress) {
      messages::error(text("the run has ended ", kRestartsWithoutProgress,
                           " times in a row without a new checkpoint; it is not started again"));
      return code;
    }
    const std::string log = run + "/" + kMessagesName;
    if (std::filesystem::exists(log)) messages::also_into(log);  // not so where the run did not get to it
    messages::warning(text("the run ended with exit code ", code, "; restart ", restarts + 1, " of ",
                           supervision.max_restarts));
  }
}

}  // namespace lf::cli
