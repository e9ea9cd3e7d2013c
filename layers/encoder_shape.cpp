#include "layers/encoder_shape.h"

#include <algorithm>

#include "autograd/sequence_slices.h"

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

std::vector<int64_t> EncoderInput::lengths() const {
  const std::vector<int64_t> places = sequences();
  std::vector<int64_t> result;
  for (size_t b = 0; b + 1 < places.size(); ++b) result.push_back(places[b + 1] - places[b]);
  return result;
}

int64_t EncoderInput::longest() const {
  if (!is_ragged()) return ids.dim(1);
  const std::vector<int64_t> all = lengths();
  return all.empty() ? 0 : *std::max_element(all.begin(), all.end());
}

EncoderInput part_of(const EncoderInput& whole, const Pass& pass) {
  if (!pass.slices) return whole;
  const SequenceSlices& slices = *pass.slices;
  const auto own = [&](const Tensor& x) {
    return x.defined() ? slices.own(x.view({x.elements()})) : Tensor();
  };
  return {.ids = own(whole.ids),
          .mask = own(whole.mask),
          .global_tokens = whole.global_tokens,
          .offsets = slices.offsets(slices.ranks->rank())};
}

}  // namespace lf
