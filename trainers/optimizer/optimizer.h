// AdamW over a model's flat blocks, each group of parameters with its own rate and weight decay.
#pragma once

#include <utility>
#include <vector>

#include "layers/module.h"
#include "trainers/config/sections.h"
#include "trainers/optimizer/parameter_groups.h"
#include "trainers/optimizer/shares.h"

namespace lf {

// Moments of a whole block, flat like the parameters, and the number of updates so far: what a checkpoint
// keeps.
struct OptimizerState {
  Tensor first, second;
  int64_t updates = 0;
};

class Optimizer {
 public:
  // What no group names is left as it is. Of several ranks each updates its shares of the block, and has
  // moments for these alone (ZeRO stage 1: Rajbhandari et al. 2020); `bucket`: see Shares.
  Optimizer(const ParameterBlock& block, const OptimizerSection& settings, std::vector<ParameterGroup> groups,
            Rank rank = {}, int64_t bucket = 1 << 22);
  // With and without weight decay.
  Optimizer(const ParameterBlock& block, const OptimizerSection& settings)
      : Optimizer(block, settings, decay_groups(block, settings.weight_decay)) {}

  const Shares& shares() const { return shares_; }

  // The sums of the squares of this rank's shares of the gradients, one for each chunk, (n) f64, which a
  // device may still be computing. The gradient's squared norm is the sum of those of all ranks, in the order
  // of the block: it does not depend on their number. Not finite if any gradient is not.
  Tensor squares() const;
  // Their sum where there is one rank, (1) f64.
  Tensor squared_gradient_norm() const;
  // The Euclidean norm of all gradients, where there is one rank; it waits for the device.
  double gradient_norm() const;

  // One update of this rank's shares with the gradients scaled so that their norm is at most settings.clip;
  // then zeroes the gradients. parameters_changed() must follow once all ranks' shares are there.
  void step(double learning_rate, double gradient_norm);
  void parameters_changed() { block_.changed(); }
  void zero_gradients();

  // The moments of this rank's shares, one after the other.
  Tensor& first() { return first_; }
  Tensor& second() { return second_; }
  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }

 private:
  ParameterBlock block_;  // shares the model's memory
  OptimizerSection settings_;
  std::vector<ParameterGroup> groups_;
  Rank rank_;
  Shares shares_;
  Tensor first_, second_;
  int64_t updates_ = 0;
};

}  // namespace lf
