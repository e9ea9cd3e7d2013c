#include "layers/char_lm_decoder.h"

#include <algorithm>
#include <cmath>

namespace lf {

CharLMDecoder::CharLMDecoder(const CharLM& model, const CharLMPattern& pattern)
    : model_(model), pattern_(pattern) {
  const NoGrad no_grad;
  const CharLMShape& s = model.shape;
  for (int64_t i = 0; i < s.layers; ++i) {
    const int64_t reach = pattern.layers[static_cast<size_t>(i)].reach();
    const auto room = static_cast<size_t>((reach + 1) * s.heads * s.head_width);
    Cache cache{.slots = reach + 1,
                .keys = std::vector<float>(room),
                .values = std::vector<float>(room),
                .distances = {}};
    if (s.relative_positions) {
      const Linear& position = model.layers[static_cast<size_t>(i)].attention.position;
      cache.distances = position(sinusoids(reach + 1, s.width, DType::f32)).value();
    }
    caches_.push_back(std::move(cache));
  }
}

// The newest token's context: one softmax over the keys of its window, head by head.
void CharLMDecoder::attend(const Cache& cache, const LayerPattern& pattern, const float* query,
                           float* context) const {
  const int64_t H = model_.shape.heads, K = model_.shape.head_width;
  const bool relative = model_.shape.relative_positions;
  const float scale = 1.0f / std::sqrt(static_cast<float>(K));
  std::vector<float> scores;
  for (int64_t h = 0; h < H; ++h) {
    const int64_t dilation = pattern.dilation.empty() ? 1 : pattern.dilation[static_cast<size_t>(h)];
    const int64_t keys = std::min(pattern.window, tokens_ / dilation) + 1;
    scores.assign(static_cast<size_t>(keys), 0.0f);
    float largest = -INFINITY;
    for (int64_t s = 0; s < keys; ++s) {
      const int64_t distance = s * dilation;
      const float* key = cache.keys.data() + ((tokens_ - distance) % cache.slots * H + h) * K;
      float sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const int64_t at = h * K + k;
        float content = query[at], placed = 0;
        if (relative) {
          content += model_.position_u.value.data<float>()[at];
          placed = (query[at] + model_.position_v.value.data<float>()[at]) *
                   cache.distances.data<float>()[distance * H * K + at];
        }
        sum += content * key[k] + placed;
      }
      scores[static_cast<size_t>(s)] = sum * scale;
      largest = std::max(largest, sum * scale);
    }
    float total = 0;
    for (float& score : scores) total += score = std::exp(score - largest);
    std::fill_n(context + h * K, K, 0.0f);
    for (int64_t s = 0; s < keys; ++s) {
      const float* value = cache.values.data() + ((tokens_ - s * dilation) % cache.slots * H + h) * K;
      for (int64_t k = 0; k < K; ++k) context[h * K + k] += scores[static_cast<size_t>(s)] / total * value[k];
    }
  }
}

std::vector<float> CharLMDecoder::next(int32_t id) {
  const NoGrad no_grad;
  const CharLMShape& shape = model_.shape;
  const int64_t width = shape.heads * shape.head_width;
  Var x = embedding(model_.embedding, Tensor::from(Shape{1}, std::vector<int32_t>{id}),
                    std::sqrt(static_cast<double>(shape.width)), DType::f32);
  for (size_t i = 0; i < caches_.size(); ++i) {
    const CharLMBlock& block = model_.layers[i];
    Cache& cache = caches_[i];
    const Tensor qkv = block.attention.qkv(block.attention_norm(x)).value();
    const float* q = qkv.data<float>();
    const int64_t slot = tokens_ % cache.slots * width;
    std::copy_n(q + width, width, cache.keys.data() + slot);
    std::copy_n(q + 2 * width, width, cache.values.data() + slot);
    Tensor context = Tensor::empty({1, width}, DType::f32);
    attend(cache, pattern_.layers[i], q, context.data<float>());
    x = add(x, block.attention.output(context));
    x = add(x, block.feed_forward(block.feed_forward_norm(x), {}));
  }
  if (shape.final_layer_norm) x = model_.final_norm(x);
  ++tokens_;
  const Tensor logits = linear(x, model_.embedding, model_.output_bias).value();
  return {logits.data<float>(), logits.data<float>() + logits.elements()};
}

}  // namespace lf
