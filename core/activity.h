// What a thread is doing, for others to read: which phase it is in, of which step. A run that waits for
// another of its ranks can say so what that one was at.
#pragma once

#include <atomic>
#include <cstdint>

namespace lf {

class Activity {
 public:
  // Of the thread that makes it, until it is destroyed.
  Activity() : before_(current_) { current_ = this; }
  ~Activity() { current_ = before_; }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  // This thread's; null: nobody reads it.
  static Activity* current() { return current_; }

  // `phase` must be a literal. Returns the phase before.
  const char* enter(const char* phase) {
    changes_.fetch_add(1, std::memory_order_relaxed);
    return phase_.exchange(phase, std::memory_order_relaxed);
  }
  void begin_step(int64_t step) { step_.store(step, std::memory_order_relaxed); }
  // It goes on, in the same phase.
  void tick() { changes_.fetch_add(1, std::memory_order_relaxed); }

  // For other threads: the phase, the step (counted from 1; 0 before the first), and a number that grows as
  // long as the thread goes on.
  const char* phase() const { return phase_.load(std::memory_order_relaxed); }
  int64_t step() const { return step_.load(std::memory_order_relaxed); }
  int64_t changes() const { return changes_.load(std::memory_order_relaxed); }

 private:
  static inline constinit thread_local Activity* current_ = nullptr;

  Activity* before_;
  std::atomic<const char*> phase_ = "start";
  std::atomic<int64_t> step_ = 0, changes_ = 0;
};

}  // namespace lf
