#include "core/plan.h"

#include <utility>

#include "core/check.h"
#include "core/operations.h"
#include "core/seconds.h"

namespace lf {

Plan::Plan(Device imitated, double seconds)
    : imitated_(imitated),
      pool_(std::make_shared<BlockPool>(Device::plan)),
      operations_before_(operations().all()),
      before_(std::exchange(current_, this)) {
  if (seconds > 0) times_.emplace(imitated, seconds);
}

Plan::~Plan() { current_ = before_; }

Plan& Plan::of_thread() {
  CHECK(current_, "device plan counts what a run would need, and this thread has begun no plan");
  return *current_;
}

void Plan::count(KernelCall&& call, const MakeRun& again) {
  call.operations = operations().all() - operations_before_;
  operations_before_ = operations().all();
  if (!times_) return;
  const double started = seconds_now();
  const Uncounted uncounted;
  Plan* const here = std::exchange(current_, nullptr);
  try {
    kernel_seconds_ += times_->of(call, again);
  } catch (...) {
    current_ = here;
    throw;
  }
  current_ = here;
  timing_seconds_ += seconds_now() - started;
}

void Plan::count_scratch(int64_t bytes) {
  if (imitated_ != Device::cpu && bytes > 0) {  // a tensor like any other
    pool_->give_back(pool_->take(bytes, [] { return "a kernel's own memory"; }));
    return;
  }
  pool_->add_scratch(bytes);
  pool_->add_scratch(-bytes);
}

}  // namespace lf
