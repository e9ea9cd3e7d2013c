#include "autograd/tape.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include "core/kernels/kernels.h"
#include "core/operations.h"
#include "core/profile.h"

namespace lf {
namespace {
// Its gradient is made of other operations' steps.
constexpr const char* kRecompute = "recompute";

thread_local Tape* current_tape = nullptr;

// Where the parameters that operations meet are noted; null: nowhere.
thread_local std::vector<std::shared_ptr<Gradient>>* parameters_met = nullptr;

// Notes them for a while.
class MetScope {
 public:
  explicit MetScope(std::vector<std::shared_ptr<Gradient>>& list)
      : before_(std::exchange(parameters_met, &list)) {}
  ~MetScope() { parameters_met = before_; }
  MetScope(const MetScope&) = delete;
  MetScope& operator=(const MetScope&) = delete;

 private:
  std::vector<std::shared_ptr<Gradient>>* before_;
};

// Makes another tape current for a while.
class TapeScope {
 public:
  explicit TapeScope(Tape& inner) : before_(std::exchange(current_tape, &inner)) {}
  ~TapeScope() { current_tape = before_; }
  TapeScope(const TapeScope&) = delete;
  TapeScope& operator=(const TapeScope&) = delete;

 private:
  Tape* before_;
};
}  // namespace

void Gradient::add(const Tensor& gradient) {
  CHECK(gradient.shape() == shape && gradient.dtype() == dtype, "gradient is ", gradient.shape(), ' ',
        name(gradient.dtype()), " for a value ", shape, ' ', name(dtype));
  if (!sum.defined()) {
    sum = gradient;
  } else if (fixed) {
    kernels::accumulate(gradient, sum);
  } else {
    // Out of place: an op may hand the same tensor to two inputs, and writing into it would change its twin.
    Tensor total = Tensor::like(sum);
    kernels::add(sum, gradient, total);
    sum = total;
  }
}

Var Var::leaf(Tensor value) {
  auto gradient = std::make_shared<Gradient>(Gradient{value.shape(), value.dtype(), {}, false});
  return Var(std::move(value), std::move(gradient));
}

Tape& tape() {
  thread_local Tape root;
  return current_tape ? *current_tape : root;
}

Var Tape::record(const char* op, Tensor y, const std::vector<Var>& inputs, Backward backward) {
  return record_all(op, {std::move(y)}, inputs,
                    [backward = std::move(backward)](const std::vector<Tensor>& dys) {
                      return backward(dys.front());
                    })
      .front();
}

std::vector<Var> Tape::record_all(const char* op, const std::vector<Tensor>& ys,
                                  const std::vector<Var>& inputs, BackwardOfAll backward) {
  bool wanted = false;
  for (const Var& input : inputs) {
    wanted = wanted || input.needs_gradient();
    if (parameters_met && input.gradient() && input.gradient()->fixed)
      parameters_met->push_back(input.gradient());
  }
  if (!wanted || !recording_) return {ys.begin(), ys.end()};
  Step step{op, {}, {}, std::move(backward)};
  for (const Var& input : inputs) step.inputs.push_back(input.gradient());
  std::vector<Var> results;
  for (const Tensor& y : ys) {
    step.outputs.push_back(std::make_shared<Gradient>(Gradient{y.shape(), y.dtype(), {}, false}));
    results.emplace_back(y, step.outputs.back());
  }
  steps_.push_back(std::move(step));
  return results;
}

void Tape::run(Step&& taken) {
  std::optional<Phase> phase;
  if (taken.op != kRecompute) phase.emplace(taken.op);
  const Step step = std::move(taken);  // freed within its phase
  std::vector<Tensor> arrived;
  bool any = false;
  for (const auto& output : step.outputs) {
    arrived.push_back(std::exchange(output->sum, {}));
    any = any || arrived.back().defined();
  }
  if (!any) return;  // the loss does not depend on this step
  const std::vector<Tensor> gradients = step.backward(arrived);
  arrived.clear();
  CHECK(gradients.size() == step.inputs.size(), step.op, ": backward returned ", gradients.size(),
        " gradients for ", step.inputs.size(), " inputs");
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!step.inputs[i] || !gradients[i].defined()) continue;
    try {
      step.inputs[i]->add(gradients[i]);
    } catch (const Error& error) {
      throw Error(text("backward of ", step.op, ", input ", i, ": ", error.what()));
    }
  }
}

void Tape::backward(const Var& y, const Tensor& seed) {
  if (!y.needs_gradient()) {
    steps_.clear();
    throw Error("backward: this value depends on no parameter");
  }
  // Tapes that run inside of this backward are part of it.
  GradientWatch* const watch = std::exchange(GradientWatch::current_, nullptr);
  try {
    y.gradient()->add(seed);
    if (watch) run_all(*watch);
    while (!steps_.empty()) {
      Step step = std::move(steps_.back());
      steps_.pop_back();
      run(std::move(step));  // and frees what it saved at once
    }
  } catch (...) {
    GradientWatch::current_ = watch;
    steps_.clear();
    throw;
  }
  GradientWatch::current_ = watch;
}

// All steps, telling of parameters' gradients.
void Tape::run_all(GradientWatch& watch) {
  std::unordered_map<const Gradient*, int64_t> left;  // how often each will still be added to
  std::vector<const Gradient*> awaited;
  for (const Step& step : steps_) {
    step.for_each_parameter([&](const Gradient* gradient) {
      if (++left[gradient] == 1) awaited.push_back(gradient);
    });
  }
  watch.begins(awaited);
  while (!steps_.empty()) {
    Step step = std::move(steps_.back());
    steps_.pop_back();
    std::vector<const Gradient*> added;
    step.for_each_parameter([&](const Gradient* gradient) { added.push_back(gradient); });
    run(std::move(step));
    for (const Gradient* gradient : added)
      if (--left[gradient] == 0) watch.completed(*gradient);
  }
}

void backward(const Var& loss) {
  CHECK(loss.value().elements() == 1, "backward: the loss is ", loss.shape(), ", needed one element");
  tape().backward(loss, Tensor::full(loss.shape(), loss.dtype(), 1.0, loss.value().device()));
}

Var recompute(const std::function<Var(const Var&)>& f, const Var& x) {
  return recompute([f](const std::vector<Var>& inputs) { return f(inputs[0]); }, std::vector{x});
}

Var recompute(const std::function<Var(const std::vector<Var>&)>& f, const std::vector<Var>& inputs) {
  if (!tape().recording()) return f(inputs);
  Tensor y;
  std::vector<std::shared_ptr<Gradient>> met;
  {
    const NoGrad no_grad;
    const MetScope scope(met);
    y = f(inputs).value();
  }
  // The output must be recorded even where all inputs are constants, since f uses parameters.
  std::vector<Var> anchors = inputs;
  std::vector<Tensor> values;
  for (Var& anchor : anchors) {
    if (!anchor.needs_gradient()) anchor = Var::leaf(anchor.value());
    values.push_back(anchor.value());
  }
  const Var result = tape().record(kRecompute, y, anchors, [f, values](const Tensor& dy) {
    Tape inner;
    const TapeScope scope(inner);
    std::vector<Var> leaves;
    for (const Tensor& value : values) leaves.push_back(Var::leaf(value));
    Phase phase(kRecompute);
    std::optional<CountsAgain> counts_again(std::in_place);
    const Var again = f(leaves);
    counts_again.reset();
    phase.end();
    inner.backward(again, dy);
    std::vector<Tensor> gradients;
    for (const Var& leaf : leaves) gradients.push_back(leaf.gradient()->sum);
    return gradients;
  });
  tape().last_adds_to(std::move(met));
  return result;
}

}  // namespace lf
