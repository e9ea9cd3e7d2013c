// What a run is asked from outside while it computes. Any thread may ask; the training loop looks between
// steps and within scores, so that nobody interrupts a computation.
#pragma once

#include <atomic>

namespace lf {

class RunRequests {
 public:
  // From here on the run answers requests to stop; until then there is nothing to save before an end.
  void begin() { begun_ = true; }
  bool begun() const { return begun_; }

  // Save and stop because of a signal.
  void stop(int signal) { stop_signal_ = signal; }
  int stop_signal() const { return stop_signal_; }  // 0 if nobody asked

  // Save and go on.
  void save() { save_ = true; }
  bool take_save() { return save_.exchange(false); }  // whether anyone asked since the last call

 private:
  std::atomic<bool> begun_{false}, save_{false};
  std::atomic<int> stop_signal_{0};
};

}  // namespace lf
