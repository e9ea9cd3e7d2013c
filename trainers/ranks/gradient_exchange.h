// The gradients of an update's micro-batches, added up over all ranks, and the parameters that come of them.
// A bucket of gradients is sent as soon as backward has completed it, while backward goes on with the others.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/communicator/rank_grid.h"
#include "layers/module.h"
#include "trainers/config/ranks_section.h"
#include "trainers/optimizer/optimizer.h"

namespace lf {

// So many numbers for each slice of an update's micro-batches, in their order, of those that each rank has
// for its own.
std::vector<double> in_order(const RankGrid& ranks, const std::vector<double>& mine, size_t numbers = 1);

class GradientExchange {
 public:
  // All of them must outlive this object.
  GradientExchange(const RankGrid& ranks, const ParameterBlock& block, Optimizer& optimizer,
                   ReductionChoice reduction);
  ~GradientExchange();

  // An update of so many micro-batches has so many rounds: micro-batch i is group i modulo the groups'.
  int64_t rounds(int64_t over_all_ranks) const;
  // Before and after forward and backward of this rank's micro-batch of a round; after it also where the rank
  // has none.
  void begin_round(int64_t round, int64_t over_all_ranks);
  void end_round(int64_t round, int64_t over_all_ranks);
  // After all of them: each rank's shares of the gradients are then whole.
  void finish();
  // The squared norm of all gradients, (1) f64, the same on every rank.
  Tensor squared_norm();
  // After the optimizer's step: every rank's shares of the parameters, to all.
  void share_parameters();

 private:
  class Watch;

  Tensor bucket_of(const Tensor& block, size_t bucket) const;
  Bounds slices_of(size_t bucket) const;
  bool has_micro_batch(int64_t round, int64_t over_all_ranks) const;
  bool is_sent_in(int64_t round, int64_t over_all_ranks) const;
  void start(size_t bucket);
  void send_rest();

  const RankGrid& grid_;
  Communicator& ranks_;  // all of them
  const ParameterBlock& block_;
  Optimizer& optimizer_;
  const ReductionChoice reduction_;
  const size_t buckets_;
  Tensor total_;  // in ordered reduction: the gradients of earlier rounds

  std::vector<size_t> order_;  // in which buckets are sent, the same on every rank
  bool order_is_guessed_ = true;
  std::vector<size_t> completed_;  // in the order in which backward has completed them
  size_t sent_ = 0;                // of order_, in this round
  int adding_ = 0;                 // ranks that have a micro-batch in this round
  std::vector<Pending> pending_;
  std::unique_ptr<Watch> watch_;
};

}  // namespace lf
