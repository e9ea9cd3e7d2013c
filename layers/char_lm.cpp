#include "layers/char_lm.h"

#include <algorithm>
#include <cmath>

#include "autograd/sequence_slices.h"
#include "core/kernels/convert.h"
#include "core/profile.h"
#include "layers/dropout_sites.h"

namespace lf {
namespace {

// Where the model drops outside its layers, and in each.
constexpr uint32_t kEmbeddingSite = 0, kPositionSite = 1, kFinalSite = 2;
enum class CharLMSite : uint32_t { probabilities, attention_output, inner, feed_forward_output };

// Distances 0, 1, ... that a query has to keys at most `reach` before it, in sequences of T tokens or longer
// ones that slices are of.
int64_t distances_within(const SequenceSlices* slices, int64_t T, int64_t reach) {
  return std::min(reach, (slices ? slices->longest() : T) - 1) + 1;
}

}  // namespace

int64_t LayerPattern::largest_dilation() const {
  return dilation.empty() ? 1 : *std::max_element(dilation.begin(), dilation.end());
}

Tensor sinusoids(int64_t distances, int64_t width, DType dtype) {
  CHECK(width % 2 == 0, "sinusoidal positions need an even width, got ", width);
  const int64_t half = width / 2;
  Tensor table = Tensor::empty({distances, width}, DType::f64);
  double* out = table.data<double>();
  for (int64_t d = 0; d < distances; ++d) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(d) *
                           std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(width));
      out[d * width + i] = std::sin(angle);
      out[d * width + half + i] = std::cos(angle);
    }
  }
  return cast(table, dtype);
}

Tensor SinusoidTable::rows(int64_t distances, int64_t width, DType dtype, Device device) {
  const auto fits = [&] {
    return rows_.defined() && rows_.dim(0) >= distances && rows_.dim(1) == width && rows_.dtype() == dtype &&
           rows_.device() == device;
  };
  if (!fits()) rows_ = sinusoids(distances, width, dtype).to(device);
  return rows_.slice(0, distances);
}

RelativeAttention::RelativeAttention(const CharLMShape& shape_)
    : qkv(shape_.width, 3 * shape_.heads * shape_.head_width, false),
      position(shape_.width, shape_.heads * shape_.head_width, false),
      output(shape_.heads * shape_.head_width, shape_.width, false),
      shape(shape_) {}

Var RelativeAttention::operator()(const Var& x, const Var& table, const Var& u, const Var& v,
                                  const LayerPattern& pattern, AttentionImplementation implementation,
                                  const Dropout& drop,
                                  const std::shared_ptr<const SequenceSlices>& slices) const {
  const int64_t B = x.dim(0), T = x.dim(1), H = shape.heads, K = shape.head_width;
  const Var projected = reshape(qkv(x), {B, T, 3, H, K});
  const AttentionPattern attention{
      .left = pattern.window, .right = 0, .dilation = pattern.dilation, .dropout = drop, .slices = slices};
  RelativeTerm relative;
  if (shape.relative_positions) {
    const int64_t distances = distances_within(slices.get(), T, pattern.reach());
    relative = {u, v, reshape(position(slice(table, 0, distances)), {distances, H, K}), 0};
  }
  const RelativeTerm* term = shape.relative_positions ? &relative : nullptr;
  CHECK(!slices || implementation == AttentionImplementation::fused,
        "CharLM: sequences cut over ranks need attention: fused");
  const Var context = implementation == AttentionImplementation::fused
                          ? window_attention(projected, attention, term)
                          : composed_attention(implementation, projected, attention, term);
  return output(reshape(context, {B, T, H * K}));
}

CharLMBlock::CharLMBlock(const CharLMShape& shape)
    : attention_norm(shape.width),
      attention(shape),
      feed_forward_norm(shape.width),
      feed_forward(shape.width, shape.feed_forward) {}

CharLMShape CharLMShape::complete() const {
  CharLMShape result = *this;
  if (result.head_width == 0) result.head_width = width / heads;
  return result;
}

CharLM::CharLM(const CharLMShape& shape_)
    : shape(shape_),
      embedding{.shape = {shape_.vocabulary, shape_.width}},
      output_bias{.shape = {shape_.vocabulary}, .initial = Initial::zero, .decays = false},
      position_u{.shape = {shape_.heads, shape_.head_width}, .decays = false},
      position_v{.shape = {shape_.heads, shape_.head_width}, .decays = false},
      layers(static_cast<size_t>(shape_.layers), CharLMBlock(shape_)),
      final_norm(shape_.width) {}

Var CharLM::block(const CharLMBlock& layer, int64_t index, const Var& x, const Var& table,
                  const CharLMPattern& pattern, const Pass& pass) const {
  const auto drop = [&](CharLMSite site) {
    return pass.token_dropout(shape.dropout, layer_site(index, site));
  };
  const Dropout probabilities =
      pass.dropout(shape.attention_dropout, layer_site(index, CharLMSite::probabilities));
  const auto attended = [&](const Var& normed) {
    return layer.attention(normed, table, position_u, position_v, pattern.layers[static_cast<size_t>(index)],
                           pattern.implementation, probabilities, pass.slices);
  };
  return transformer_block(NormPlace::before,
                           {layer.attention_norm, layer.feed_forward, layer.feed_forward_norm}, x, attended,
                           {.attention_output = drop(CharLMSite::attention_output),
                            .inner = drop(CharLMSite::inner),
                            .output = drop(CharLMSite::feed_forward_output)});
}

Var CharLM::logits(const Tensor& ids, const CharLMPattern& pattern, const Pass& pass) const {
  CHECK(static_cast<int64_t>(pattern.layers.size()) == shape.layers, "CharLM: windows for ",
        pattern.layers.size(), " layers, the model has ", shape.layers);
  CHECK(ids.shape().rank() == 2, "CharLM: ids are ", ids.shape(), ", needed (B, T)");
  int64_t reach = 0;
  for (const LayerPattern& layer : pattern.layers) reach = std::max(reach, layer.reach());
  const int64_t distances = distances_within(pass.slices.get(), ids.dim(1), reach);
  Var table;
  if (shape.relative_positions) {
    const Phase phase("sinusoids");
    table = dropout(sinusoids_.rows(distances, shape.width, pass.compute, embedding.value.device()),
                    pass.dropout(shape.dropout, kPositionSite));
  }
  Var x = lf::embedding(embedding, ids, std::sqrt(static_cast<double>(shape.width)), pass.compute);
  x = dropout(x, pass.token_dropout(shape.dropout, kEmbeddingSite));
  for (int64_t i = 0; i < shape.layers; ++i) {
    const auto run = [&layer = layers[static_cast<size_t>(i)], i, table, pattern, pass,
                      this](const Var& input) { return block(layer, i, input, table, pattern, pass); };
    x = pattern.recompute ? recompute(run, x) : run(x);
  }
  if (shape.final_layer_norm) x = final_norm(x);
  x = dropout(x, pass.token_dropout(shape.dropout, kFinalSite));
  return linear(x, embedding.in(x.dtype()), output_bias);
}

Var CharLM::losses(const Tensor& ids, const Tensor& targets, const CharLMPattern& pattern,
                   const Pass& pass) const {
  return cross_entropy(logits(ids, pattern, pass), targets);
}

}  // namespace lf
