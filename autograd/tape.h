// The gradient engine: an eager tape. Operations run at once and record one step each; backward() walks the
// steps newest first and frees what each one saved as it goes. Execution order is a topological order, so
// nothing is sorted.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace lf {

// Where the gradient of one value gathers during backward.
struct Gradient {
  Shape shape;
  DType dtype = DType::f32;
  Tensor sum;          // undefined until something arrived
  bool fixed = false;  // sum is a slice of a parameter's gradient block: add in place, keep after backward

  void add(const Tensor& gradient);
};

// Follows the gradients of parameters through backward(): one that is complete may be sent to other ranks
// while the others are still being computed. Of the thread that makes it, until it is destroyed.
class GradientWatch {
 public:
  GradientWatch() : before_(current_) { current_ = this; }
  virtual ~GradientWatch() { current_ = before_; }
  GradientWatch(const GradientWatch&) = delete;
  GradientWatch& operator=(const GradientWatch&) = delete;

  // backward() begins, and will add to these; all others are complete.
  virtual void begins(const std::vector<const Gradient*>& awaited) = 0;
  // Nothing more will be added to it.
  virtual void completed(const Gradient& gradient) = 0;

 private:
  friend class Tape;
  static inline constinit thread_local GradientWatch* current_ = nullptr;

  GradientWatch* before_;
};

// A value and the place where its gradient gathers. Constants have no such place.
class Var {
 public:
  Var() = default;
  Var(Tensor constant) : value_(std::move(constant)) {}  // NOLINT: a tensor is a constant
  Var(Tensor value, std::shared_ptr<Gradient> gradient)
      : value_(std::move(value)), gradient_(std::move(gradient)) {}

  // A value whose gradient is wanted, with a place of its own (tests, and inputs of recompute()).
  static Var leaf(Tensor value);

  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  int64_t dim(int64_t axis) const { return value_.dim(axis); }
  DType dtype() const { return value_.dtype(); }
  bool defined() const { return value_.defined(); }
  bool needs_gradient() const { return gradient_ != nullptr; }
  const std::shared_ptr<Gradient>& gradient() const { return gradient_; }

 private:
  Tensor value_;
  std::shared_ptr<Gradient> gradient_;
};

// The operations run so far on this thread, oldest first.
class Tape {
 public:
  // Given the gradient of the output, returns one gradient per input; undefined where there is none.
  using Backward = std::function<std::vector<Tensor>(const Tensor& dy)>;
  // The same of an op with several outputs: a gradient is undefined where the loss does not depend on it.
  using BackwardOfAll = std::function<std::vector<Tensor>(const std::vector<Tensor>& dys)>;

  // Makes the Var of an op's output; remembers `backward` if any input needs a gradient and recording is on.
  Var record(const char* op, Tensor y, const std::vector<Var>& inputs, Backward backward);
  std::vector<Var> record_all(const char* op, const std::vector<Tensor>& ys, const std::vector<Var>& inputs,
                              BackwardOfAll backward);

  // Adds to every leaf the gradient of <seed, y>, then empties the tape, also when a gradient throws.
  void backward(const Var& y, const Tensor& seed);

  bool empty() const { return steps_.empty(); }
  bool recording() const { return recording_; }
  // Of the last step: parameters that its backward adds to on a tape of its own.
  void last_adds_to(std::vector<std::shared_ptr<Gradient>> parameters) {
    if (!steps_.empty()) steps_.back().inner = std::move(parameters);
  }

 private:
  friend class NoGrad;

  struct Step {
    const char* op;
    std::vector<std::shared_ptr<Gradient>> outputs, inputs;
    BackwardOfAll backward;
    // Parameters that it adds to beside its inputs, on a tape of its own.
    std::vector<std::shared_ptr<Gradient>> inner = {};

    // Calls f(gradient) for each parameter's gradient that it adds to, as often as it does.
    template <class F>
    void for_each_parameter(F&& f) const {
      for (const auto* list : {&inputs, &inner})
        for (const auto& gradient : *list)
          if (gradient && gradient->fixed) f(gradient.get());
    }
  };
  void run(Step&& taken);  // and frees what it saved
  void run_all(GradientWatch& watch);

  std::vector<Step> steps_;
  bool recording_ = true;
};

// This thread's current tape.
Tape& tape();

// Adds d(loss)/d(leaf) to every leaf that the scalar loss depends on.
void backward(const Var& loss);

// While alive, operations are not recorded: evaluation keeps no activations.
class NoGrad {
 public:
  NoGrad() : before_(tape().recording_) { tape().recording_ = false; }
  ~NoGrad() { tape().recording_ = before_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

// Activation checkpointing (Chen et al. 2016): y = f(x) keeping only x; backward runs f again to have its
// activations. f must be a pure function of x and of parameters: dropout keys are fixed values, so the second
// run draws the same bits.
Var recompute(const std::function<Var(const Var&)>& f, const Var& x);
// The same of several inputs.
Var recompute(const std::function<Var(const std::vector<Var>&)>& f, const std::vector<Var>& inputs);

}  // namespace lf
