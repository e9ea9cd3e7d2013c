#include "core/communicator/rank_grid.h"

#include <utility>
#include <vector>

namespace lf {

RankGrid::RankGrid(std::shared_ptr<Communicator> all, int slices) : all_(std::move(all)) {
  if (all_->size() % slices != 0)
    throw UsageError(text("ranks.sequence is ", slices, ", which does not divide the ", all_->size(),
                          all_->size() == 1 ? " rank" : " ranks", " of the run"));
  std::vector<int> members;
  const int first = all_->rank() / slices * slices;
  for (int slice = 0; slice < slices; ++slice) members.push_back(first + slice);
  sequence_ = slices == 1 ? std::shared_ptr<Communicator>(alone()) : all_->with(members);
}

}  // namespace lf
