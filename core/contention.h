// Threads of an OpenMP loop that wait for each other spin, which is fastest while every thread has a CPU, and
// ruins a run, and its neighbours, once it does not: the one that is waited for may be without. libgomp spins
// for milliseconds; where it counts more threads than CPUs it spins for microseconds (its manual,
// GOMP_SPINCOUNT). So a watch makes it count more for as long as somebody else wants the CPUs.
#pragma once

#include <chrono>
#include <string>
#include <thread>

namespace lf {

// Seconds for which threads of this process that could have run had no CPU, summed over the threads there
// are; 0 where the kernel does not tell. `root` is where /proc is.
double seconds_without_cpu(const std::string& root = "");

// Whether the CPUs are wanted by others, by how long this process's threads went without.
class Contention {
 public:
  // After an interval of `elapsed` > 0 seconds. True as soon as, on the average of the last fifth of a
  // second, more than a fifth of a thread is without a CPU; false again when that has not been so for two
  // seconds. A system's own small work on a machine with nothing else to do stays below: 2 to 5 % of a
  // thread, 40 % for a moment.
  bool observe(double seconds_without, double elapsed);

 private:
  bool contended_ = false;
  double threads_without_ = 0;  // threads that could run and lack a CPU: the average, the past decaying
  double calm_ = 0;             // seconds
};

// While it lives, a thread observes every 50 ms, and waiting threads soon sleep while there is contention.
// Does nothing where the user's OMP_WAIT_POLICY or GOMP_SPINCOUNT has chosen.
class ContentionWatch {
 public:
  ContentionWatch();

 private:
  std::jthread thread_;
};

}  // namespace lf
