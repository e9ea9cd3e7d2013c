#include "core/communicator/rank_grid.h"

#include <utility>
#include <vector>

namespace lf {

std::string RankGrid::refusal(int64_t ranks, int64_t slices) {
  if (ranks % slices == 0) return "";
  return text("ranks.sequence is ", slices, ", which does not divide the ", ranks,
              ranks == 1 ? " rank" : " ranks",
              " of the run; take another number of them, or --set ranks.sequence=1");
}

RankGrid::RankGrid(std::shared_ptr<Communicator> all, int slices) : all_(std::move(all)) {
  if (const std::string why = refusal(all_->size(), slices); !why.empty()) throw UsageError(why);
  std::vector<int> members;
  const int first = all_->rank() / slices * slices;
  for (int slice = 0; slice < slices; ++slice) members.push_back(first + slice);
  sequence_ = slices == 1 ? std::shared_ptr<Communicator>(alone()) : all_->with(members);
}

}  // namespace lf
