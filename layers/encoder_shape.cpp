#include "layers/encoder_shape.h"

#include <algorithm>

namespace lf {

LayerNorm EncoderShape::make_norm() const {
  LayerNorm norm(width, layer_norm_epsilon);
  norm.weight.initial = Initial::one;
  return norm;
}

void EncoderShape::check() const {
  CHECK(width % heads == 0, "encoder: ", heads, " heads do not divide the width ", width);
  CHECK(windows.empty() || std::ssize(windows) == layers, "encoder: ", windows.size(), " windows for ",
        layers, " layers");
  for (const int64_t window : windows) {
    CHECK(window >= 2 && window % 2 == 0, "encoder: an attention window of ", window,
          "; it must be even and positive");
  }
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
