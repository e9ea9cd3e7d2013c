#include "trainers/optimizer/optimizer.h"

#include <cmath>
#include <iterator>
#include <utility>

#include "core/kernels/kernels.h"

namespace lf {

Optimizer::Optimizer(const ParameterBlock& block, const OptimizerSection& settings,
                     std::vector<ParameterGroup> groups)
    : block_(block),
      settings_(settings),
      groups_(std::move(groups)),
      first_(Tensor::zeros_like(block.values)),
      second_(Tensor::zeros_like(block.values)) {}

Tensor Optimizer::squared_gradient_norm() const {
  int64_t count = 0;
  for (const ParameterGroup& group : groups_) count += std::ssize(group.parts);
  Tensor parts = Tensor::zeros({count}, DType::f64, block_.gradients.device());
  int64_t i = 0;
  for (const ParameterGroup& group : groups_) {
    for (const auto& [begin, end] : group.parts) {
      Tensor part = parts.slice(i, i + 1);
      kernels::sum_of_squares(block_.gradients.slice(begin, end), part);
      ++i;
    }
  }
  Tensor whole = Tensor::empty({1}, DType::f64, parts.device());
  kernels::total(parts, whole);
  return whole;
}

double Optimizer::gradient_norm() const { return std::sqrt(squared_gradient_norm().item()); }

void Optimizer::step(double learning_rate, double gradient_norm) {
  ++updates_;
  const bool clips = settings_.clip > 0 && gradient_norm > settings_.clip;
  kernels::AdamW update{.learning_rate = learning_rate,
                        .beta1 = settings_.betas[0],
                        .beta2 = settings_.betas[1],
                        .epsilon = settings_.epsilon,
                        .weight_decay = 0,
                        .step = updates_,
                        .gradient_scale = clips ? settings_.clip / gradient_norm : 1.0};
  for (const ParameterGroup& group : groups_) {
    update.learning_rate = learning_rate * group.rate_factor;
    update.weight_decay = group.weight_decay;
    for (const auto& [begin, end] : group.parts) {
      Tensor values = block_.values.slice(begin, end), first = first_.slice(begin, end),
             second = second_.slice(begin, end);
      kernels::adamw(update, block_.gradients.slice(begin, end), values, first, second);
    }
  }
  block_.changed();
  zero_gradients();
}

void Optimizer::zero_gradients() { block_.gradients.fill_zero(); }

}  // namespace lf
