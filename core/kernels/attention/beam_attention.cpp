// Attention of the newest token of several texts to their own tokens, whose keys and values they share where
// they began alike: what a beam search asks for at every step.
#include "core/kernels/kernels.h"

namespace lf::kernels {

void beam_attention(const CachedRows& rows, const Tensor& q, const Tensor& k, const Tensor& v, Tensor& keys,
                    Tensor& values, Tensor& context) {
  const Shape row = q.shape();
  CHECK(row.rank() == 3 && rows.unused.shape() == Shape{row[0]} && k.shape() == row && v.shape() == row &&
            context.shape() == row && rows.table.dim(0) == row[0],
        "beam_attention: q, k, v are ", row, ", ", k.shape(), ", ", v.shape(), " for ",
        rows.unused.elements(), " rows");
  LF_DISPATCH(context.device(), beam_attention, rows, q, k, v, keys, values, context);
}

}  // namespace lf::kernels
