// The gradients of an update's micro-batches, added up over all ranks, and the parameters that come of them.
#pragma once

#include <vector>

#include "core/communicator/communicator.h"
#include "layers/module.h"
#include "trainers/config/ranks_section.h"
#include "trainers/optimizer/optimizer.h"

namespace lf {

// One value for each of an update's micro-batches, in their order, of those that each rank has for its own.
std::vector<double> in_order(Communicator& ranks, const std::vector<double>& mine);

class GradientExchange {
 public:
  // All of them must outlive this object.
  GradientExchange(Communicator& ranks, const ParameterBlock& block, Optimizer& optimizer,
                   ReductionChoice reduction);

  // After the backward pass of each of this rank's micro-batches, and in ordered reduction also where it has
  // none in the round: of the `over_all_ranks` of the update micro-batch i is rank i modulo the ranks'.
  void add_round(int64_t round, int64_t over_all_ranks);
  // How many rounds an update of so many micro-batches has.
  int64_t rounds(int64_t over_all_ranks) const;
  // After all of them: each rank's share of the gradients is then whole.
  void finish();
  // The squared norm of all gradients, (1) f64, the same on every rank.
  Tensor squared_norm();
  // After the optimizer's step: every rank's share of the parameters, to all.
  void share_parameters();

 private:
  Communicator& ranks_;
  const ParameterBlock& block_;
  Optimizer& optimizer_;
  ReductionChoice reduction_;
  Tensor total_;  // in ordered reduction: the gradients of earlier rounds
};

}  // namespace lf
