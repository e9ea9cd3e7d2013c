#include "layers/basic.h"

#include "autograd/sequence_slices.h"

namespace lf {

Dropout Pass::token_dropout(double probability, uint32_t site) const {
  Dropout drop = dropout(probability, site);
  if (!slices || !drop.active()) return drop;
  CHECK(slices->sequences() == 1, "dropout: of sequences cut over ranks a micro-batch holds one, not ",
        slices->sequences());
  drop.first_row = slices->begin(0, slices->ranks->rank());
  return drop;
}

}  // namespace lf
