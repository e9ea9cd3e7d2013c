// Runs the built program as a user would, with its output in files, and kills it where a test says.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "core/check.h"

extern char** environ;

namespace lf {

class ChildProcess {
 public:
  // Starts `arguments[0]` with standard output and error appended to `output`; `variables` ("NAME=value")
  // come on top of this process's environment.
  ChildProcess(const std::vector<std::string>& arguments, const std::string& output,
               const std::vector<std::string>& variables = {}) {
    std::vector<char*> argv, env;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    for (char** e = environ; *e; ++e) env.push_back(*e);
    for (const std::string& v : variables) env.push_back(const_cast<char*>(v.c_str()));
    argv.push_back(nullptr);
    env.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    const int failure = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), env.data());
    posix_spawn_file_actions_destroy(&actions);
    CHECK(failure == 0, "cannot start ", arguments[0]);
  }

  pid_t pid() const { return pid_; }
  void kill(int signal) { ::kill(pid_, signal); }

  // The exit code, or 128 + the signal that ended it.
  int wait() {
    const int status = wait_status();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // As waitpid() reports it.
  int wait_status() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return status;
  }

  // Waits for `seconds` or the end, whichever is first; true if the process has ended (wait() then answers at
  // once).
  bool ended_within(double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    siginfo_t info = {};
    while (std::chrono::steady_clock::now() < end) {
      if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == pid_)
        return true;
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    return false;
  }

 private:
  pid_t pid_ = 0;
};

}  // namespace lf
