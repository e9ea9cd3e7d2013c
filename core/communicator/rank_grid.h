// The ranks of a run on two axes: groups of ranks share batches, the ranks of a group share each sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/communicator/communicator.h"

namespace lf {

class RankGrid {
 public:
  // Groups of `slices` ranks, neighbours, so that a group is on one machine where that has so many. Called by
  // all ranks. UsageError if there are not so many ranks for every group.
  explicit RankGrid(std::shared_ptr<Communicator> all = alone(), int slices = 1);
  // What is said where there are not; "" where there are.
  static std::string refusal(int64_t ranks, int64_t slices);

  Communicator& all() const { return *all_; }
  // The ranks of this one's group, each of which holds a slice of the group's sequences.
  const std::shared_ptr<Communicator>& sequence() const { return sequence_; }
  int slices() const { return sequence_->size(); }
  int slice() const { return sequence_->rank(); }
  int groups() const { return all_->size() / slices(); }
  int group() const { return all_->rank() / slices(); }

 private:
  std::shared_ptr<Communicator> all_, sequence_;
};

}  // namespace lf
