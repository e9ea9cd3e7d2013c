#include "layers/char_lm_decoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/kernels/kernels.h"

namespace lf {

CharLMDecoder::CharLMDecoder(const CharLM& model, const CharLMPattern& pattern)
    : model_(model), pattern_(pattern) {
  const NoGrad no_grad;
  const CharLMShape& s = model.shape;
  const Device device = model.embedding.value.device();
  int64_t farthest = 0;
  for (const LayerPattern& layer : pattern.layers) farthest = std::max(farthest, layer.reach());
  Tensor table;
  if (s.relative_positions) table = sinusoids(farthest + 1, s.width, DType::f32).to(device);
  for (int64_t i = 0; i < s.layers; ++i) {
    const LayerPattern& layer = pattern.layers[static_cast<size_t>(i)];
    const int64_t slots = layer.reach() + 1;
    const Shape shape{slots, s.heads, s.head_width};
    std::vector<int32_t> dilation = layer.dilation;
    dilation.resize(static_cast<size_t>(s.heads), 1);
    Cache cache{.keys = Tensor::zeros(shape, DType::f32, device),
                .values = Tensor::zeros(shape, DType::f32, device),
                .dilation = Tensor::from({s.heads}, dilation).to(device)};
    if (table.defined()) {
      const Linear& position = model.layers[static_cast<size_t>(i)].attention.position;
      cache.distances = position(table.slice(0, slots)).value().view(shape);
    }
    caches_.push_back(std::move(cache));
  }
}

Tensor CharLMDecoder::next(const Tensor& id) {
  const NoGrad no_grad;
  const CharLMShape& shape = model_.shape;
  const int64_t H = shape.heads, K = shape.head_width;
  Var x = embedding(model_.embedding, id, std::sqrt(static_cast<double>(shape.width)), DType::f32);
  for (size_t i = 0; i < caches_.size(); ++i) {
    const CharLMBlock& block = model_.layers[i];
    Cache& cache = caches_[i];
    const Tensor qkv = block.attention.qkv(block.attention_norm(x)).value();
    Tensor context = Tensor::empty({1, H * K}, DType::f32, qkv.device());
    kernels::cached_attention({tokens_, pattern_.layers[i].window}, qkv, cache.dilation,
                              model_.position_u.value, model_.position_v.value, cache.distances, cache.keys,
                              cache.values, context);
    x = add(x, block.attention.output(context));
    x = add(x, block.feed_forward(block.feed_forward_norm(x), {}));
  }
  if (shape.final_layer_norm) x = model_.final_norm(x);
  ++tokens_;
  return linear(x, model_.embedding, model_.output_bias).value();
}

}  // namespace lf
