#include "layers/encoder_shape.h"

#include <algorithm>

namespace lf {

LayerNorm EncoderShape::make_norm() const {
  LayerNorm norm(width, layer_norm_epsilon);
  norm.weight.initial = Initial::one;
  return norm;
}

std::vector<int64_t> EncoderInput::sequences() const {
  return is_ragged() ? offsets : kernels::equal_offsets(ids.dim(0), ids.dim(1));
}

int64_t EncoderInput::longest() const {
  if (!is_ragged()) return ids.dim(1);
  int64_t most = 0;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) most = std::max(most, offsets[b + 1] - offsets[b]);
  return most;
}

}  // namespace lf
