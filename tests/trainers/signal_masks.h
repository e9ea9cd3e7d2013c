// What a running program does with signals, thread by thread, as the kernel tells in /proc.
#pragma once

#include <signal.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <system_error>
#include <vector>

#include "tests/child_process.h"

namespace lf {

// Sets of signals: bit n - 1 is signal n.
inline uint64_t signal_set(std::initializer_list<int> signals) {
  uint64_t set = 0;
  for (const int signal : signals) set |= uint64_t{1} << (signal - 1);
  return set;
}

// What a run of train answers.
inline uint64_t answered_signals() { return signal_set({SIGTERM, SIGINT, SIGHUP, SIGUSR1}); }

struct SignalMasks {
  std::string name;
  uint64_t blocked = 0, ignored = 0, caught = 0;
};

// Of every thread; one that ends meanwhile is left out.
inline std::vector<SignalMasks> signal_masks(pid_t pid) {
  std::vector<SignalMasks> threads;
  std::error_code gone;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (std::filesystem::directory_iterator task(tasks, gone), end; !gone && task != end;
       task.increment(gone)) {
    std::ifstream status(task->path() / "status");
    SignalMasks masks;
    bool whole = false;
    for (std::string key; status >> key;) {
      if (key == "Name:") status >> masks.name;
      if (key == "SigBlk:") status >> std::hex >> masks.blocked;
      if (key == "SigIgn:") status >> std::hex >> masks.ignored;
      if (key == "SigCgt:") whole = static_cast<bool>(status >> std::hex >> masks.caught);
    }
    if (whole) threads.push_back(masks);
  }
  return threads;
}

// Waits until the program's thread for signals is there: before that it may be the system's loader that they
// meet. (Masks alone would not tell: whoever starts a thread blocks every signal for a moment.) False: it has
// ended.
inline bool wait_until_signals_are_held(ChildProcess& child) {
  while (!child.ended_within(0.001)) {
    const std::vector<SignalMasks> threads = signal_masks(child.pid());
    const auto waits = [](const SignalMasks& thread) { return thread.name == "signals"; };
    if (std::any_of(threads.begin(), threads.end(), waits)) return true;
  }
  return false;
}

// SIGUSR1 every few milliseconds for so many seconds, or until the program ends, which is then true. Counts
// what it sent.
inline bool rain(ChildProcess& child, double seconds, int* sent = nullptr) {
  constexpr double kEvery = 0.003;
  for (double passed = 0; passed < seconds; passed += kEvery) {
    child.kill(SIGUSR1);
    if (sent) ++*sent;
    if (child.ended_within(kEvery)) return true;
  }
  return false;
}

}  // namespace lf
