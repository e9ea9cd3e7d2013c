// The one clock that durations are measured with.
#pragma once

#include <chrono>

namespace lf {

// Seconds since a moment that stays the same while the process runs; never jumps.
inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// How long `work` takes.
template <class Work>
double seconds_of(Work&& work) {
  const double started = seconds_now();
  work();
  return seconds_now() - started;
}

}  // namespace lf
