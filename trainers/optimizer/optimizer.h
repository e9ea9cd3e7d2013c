// AdamW over a model's flat blocks, each group of parameters with its own rate and weight decay.
#pragma once

#include <vector>

#include "layers/module.h"
#include "trainers/config/sections.h"
#include "trainers/optimizer/parameter_groups.h"

namespace lf {

class Optimizer {
 public:
  // What no group names is left as it is.
  Optimizer(const ParameterBlock& block, const OptimizerSection& settings,
            std::vector<ParameterGroup> groups);
  // With and without weight decay.
  Optimizer(const ParameterBlock& block, const OptimizerSection& settings)
      : Optimizer(block, settings, decay_groups(block, settings.weight_decay)) {}

  // The sum of the squares of all gradients that are trained with, (1) f64, which a device may still be
  // computing; not finite if any gradient is not.
  Tensor squared_gradient_norm() const;
  // Its root, the Euclidean norm, which waits for the device.
  double gradient_norm() const;
  // One update with the gradients scaled so that their norm is at most settings.clip; then zeroes the
  // gradients.
  void step(double learning_rate, double gradient_norm);
  void zero_gradients();

  // The moments, flat like the parameters, and the number of updates so far: what a checkpoint keeps.
  Tensor& first() { return first_; }
  Tensor& second() { return second_; }
  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }

 private:
  ParameterBlock block_;  // shares the model's memory
  OptimizerSection settings_;
  std::vector<ParameterGroup> groups_;
  Tensor first_, second_;
  int64_t updates_ = 0;
};

}  // namespace lf
