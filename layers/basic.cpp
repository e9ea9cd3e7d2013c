#include "layers/basic.h"

#include <utility>

#include "autograd/sequence_slices.h"

namespace lf {

Pass Pass::over(std::vector<int64_t> lengths) const {
  Pass pass = *this;
  if (sequence_ranks && sequence_ranks->size() > 1)
    pass.slices = std::make_shared<const SequenceSlices>(SequenceSlices{sequence_ranks, std::move(lengths)});
  return pass;
}

RowDropout Pass::token_dropout(double probability, uint32_t site) const {
  const Dropout drop = dropout(probability, site);
  if (!slices || !drop.active()) return drop;
  const int me = slices->ranks->rank();
  std::vector<RowDropout::Run> runs;
  int64_t first = 0;  // of the sequence, in the whole
  for (int64_t b = 0; b < slices->sequences(); ++b) {
    runs.push_back({slices->begin(b, me + 1) - slices->begin(b, me), first + slices->begin(b, me)});
    first += slices->length(b);
  }
  return {drop, std::move(runs)};
}

}  // namespace lf
