// A run on a device that only counts. While a Plan is alive, tensors of its thread on Device::plan have
// shapes but no elements; kernels return at once. Counted are the memory that the same tensors would need on
// the device that is imitated, with its cache of freed blocks, and, if asked for, the time that the kernels
// would take. Elements of planned tensors cannot be had: brought to the CPU they are zeros.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/block_pool.h"
#include "core/kernel_times.h"

namespace lf {

class Plan {
 public:
  // As this thread's plan, instead of any before. With `seconds` kernels are timed on the imitated device,
  // for about as long in all.
  explicit Plan(Device imitated, double seconds = 0);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  static Plan* current() { return current_; }  // null: none
  static Plan& of_thread();                    // an Error where there is none

  Device imitated() const { return imitated_; }
  const std::shared_ptr<BlockPool>& pool() const { return pool_; }
  // Of all kernels so far; 0 where they are not timed, infinite where that was impossible.
  double kernel_seconds() const { return kernel_seconds_; }
  // What it took to time them.
  double timing_seconds() const { return timing_seconds_; }

  // A kernel was asked for. `again` runs it with real tensors, whose memory is not counted.
  void count(KernelCall&& call, const MakeRun& again);
  // A kernel would have so many bytes for itself while it runs.
  void count_scratch(int64_t bytes);

 private:
  static inline constinit thread_local Plan* current_ = nullptr;

  Device imitated_;
  std::shared_ptr<BlockPool> pool_;
  std::optional<KernelTimes> times_;
  double kernel_seconds_ = 0, timing_seconds_ = 0;
  double operations_before_;  // of this thread, when the last kernel was counted
  Plan* before_;
};

// Where the device is Device::plan: what the kernel would have for itself while it runs, bytes(imitated).
template <class F>
void plan_scratch(Device device, F&& bytes) {
  if (device == Device::plan) Plan::of_thread().count_scratch(bytes(Plan::of_thread().imitated()));
}

}  // namespace lf
