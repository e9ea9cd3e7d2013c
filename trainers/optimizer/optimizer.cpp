#include "trainers/optimizer/optimizer.h"

#include <cmath>
#include <iterator>

#include "core/kernels/kernels.h"

namespace lf {

Optimizer::Optimizer(const ParameterBlock& block, const OptimizerSection& settings)
    : block_(block),
      settings_(settings),
      first_(Tensor::zeros_like(block.values)),
      second_(Tensor::zeros_like(block.values)) {}

Tensor Optimizer::squared_gradient_norm() const {
  Tensor parts = Tensor::zeros({std::ssize(block_.trained)}, DType::f64, block_.gradients.device());
  for (int64_t i = 0; i < parts.elements(); ++i) {
    const auto& [begin, end, decays] = block_.trained[static_cast<size_t>(i)];
    Tensor part = parts.slice(i, i + 1);
    kernels::sum_of_squares(block_.gradients.slice(begin, end), part);
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
  for (const auto& [begin, end, decays] : block_.trained) {
    update.weight_decay = decays ? settings_.weight_decay : 0;
    Tensor values = block_.values.slice(begin, end), first = first_.slice(begin, end),
           second = second_.slice(begin, end);
    kernels::adamw(update, block_.gradients.slice(begin, end), values, first, second);
  }
  zero_gradients();
}

void Optimizer::zero_gradients() { block_.gradients.fill_zero(); }

}  // namespace lf
