// What LF_DISPATCH does on Device::plan.
#pragma once

#include <algorithm>
#include <sstream>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/plan.h"
#include "core/random.h"
#include "core/tensor.h"

namespace lf {

// An argument that holds tensors shows them by visit(f), f(Tensor&) for each.
template <class T>
concept HoldsTensors = requires(T argument) {
  argument.visit([](Tensor&) {});
};

// Describes a call by its arguments. What else decides how long it takes an argument says by describe(out).
class CallDescription {
 public:
  explicit CallDescription(const char* name) { call_.name = name; }

  void add(const Tensor& x) {
    if (!x.defined()) return void(out_ << " -");
    out_ << ' ' << x.shape() << ' ' << name(x.dtype());
    call_.bytes += x.bytes();
    shapes_agree_ = shapes_agree_ && (!any_ || x.shape() == shape_);
    any_ = true;
    shape_ = x.shape();
  }
  void add(const Dropout& drop) { out_ << (drop.active() ? " drops" : " keeps"); }
  template <class T>
  void add(const std::vector<T>& values) {
    takes_sizes_ = true;
    for (const T& value : values) out_ << ' ' << value;
  }
  // Numbers of other kinds decide what is computed, not how long it takes.
  template <class T>
  void add(const T& value) {
    if constexpr (std::is_integral_v<T>) {
      takes_sizes_ = takes_sizes_ || !std::is_same_v<T, bool>;
      out_ << ' ' << value;
    } else if constexpr (requires { value.describe(out_); }) {
      takes_sizes_ = true;
      value.describe(out_);
    } else if constexpr (HoldsTensors<T>) {
      T copy = value;
      copy.visit([this](Tensor& x) { add(x); });
    }
  }

  KernelCall call() && {
    call_.arguments = out_.str();
    // Tensors of one shape and no other sizes: every row is treated alike.
    if (any_ && shapes_agree_ && !takes_sizes_ && shape_.rank() > 0) call_.rows = shape_[0];
    return std::move(call_);
  }

 private:
  KernelCall call_;
  std::ostringstream out_;
  Shape shape_;
  bool any_ = false, shapes_agree_ = true, takes_sizes_ = false;
};

// A real tensor in a planned one's place, with so many rows (0: as many).
inline Tensor in_place_of(const Tensor& x, Device device, int64_t rows) {
  if (!x.defined() || x.device() != Device::plan) return x;
  std::vector<int64_t> dims = x.shape().dims();
  if (rows > 0) dims[0] = rows;
  return Tensor::zeros(Shape(dims), x.dtype(), device);
}
template <class T>
T in_place_of(const T& argument, [[maybe_unused]] Device device, [[maybe_unused]] int64_t rows) {
  T real = argument;
  if constexpr (HoldsTensors<T>) real.visit([&](Tensor& x) { x = in_place_of(x, device, rows); });
  return real;
}

// Counts the call; run(device, arguments...) is the kernel on a real device.
template <class Run, class... Arguments>
std::invoke_result_t<Run, Device, Arguments&...> plan_kernel(const char* name, const Run& run,
                                                             Arguments&... arguments) {
  Plan& plan = Plan::of_thread();
  CallDescription description(name);
  (description.add(arguments), ...);
  plan.count(std::move(description).call(), [&](int64_t rows) -> std::function<void()> {
    const Device device = plan.imitated();
    return
        [&run, device, ... real = in_place_of(arguments, device, rows)]() mutable { run(device, real...); };
  });
  return std::invoke_result_t<Run, Device, Arguments&...>();
}

}  // namespace lf
