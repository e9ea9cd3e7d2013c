#include "autograd/gathered_slices.h"

#include <utility>
#include <vector>

#include "autograd/row_exchange.h"
#include "core/profile.h"

namespace lf {

Var gathered_slices(const Var& x, const std::shared_ptr<const SequenceSlices>& slices) {
  const Phase phase("gather_slices");
  const int ranks = slices->ranks->size();
  std::vector<std::vector<int64_t>> offsets;
  for (int rank = 0; rank < ranks; ++rank) offsets.push_back(slices->offsets(rank));
  std::vector<WantedRows> wanted(offsets.size());
  for (size_t b = 0; b < slices->lengths.size(); ++b) {
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<int64_t>& places = offsets[static_cast<size_t>(rank)];
      if (places[b] < places[b + 1]) wanted.front().add(rank, places[b], places[b + 1] - places[b]);
    }
  }
  const RowExchange exchange(slices->ranks, std::move(wanted), x.dim(0));
  return tape().record("gather_slices", exchange.fetch({x.value()}).front(), {x},
                       [exchange](const Tensor& dy) { return exchange.give_back({dy}); });
}

}  // namespace lf
