// How many CPU threads compute. The only place that tells OpenMP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lf {

// CPUs' time that the control groups of this process grant it, 1.5 say: the least of its own group and of
// those above, as far as they are visible. None without a limit. `root` is where /proc and /sys are.
std::optional<double> cpu_quota(const std::string& root = "");

struct ThreadChoice {
  int count = 1;
  std::string reason;  // "2 CPUs that this process may use", say
};

// What a process gets that was told nothing: one for each CPU in its CPU set, and no more than its quota
// keeps busy. `asked` is the value of OMP_NUM_THREADS, or null; that one wins.
ThreadChoice choose_threads(int allowed_cpus, std::optional<double> quota, const char* asked,
                            int openmp_count);
// Of this process.
ThreadChoice default_threads();

// Before anything computes, at the beginning of main: default_threads(), unless the user's variables say
// otherwise.
void start_threads();

// As a configuration says; 0 leaves what is.
void use_threads(int64_t count);
// How many compute.
int num_threads();

}  // namespace lf
