#include "layers/encoder.h"

#include <algorithm>

namespace lf {
namespace {

// Dropout sites: one of the embeddings, three of each layer.
constexpr uint32_t kEmbeddingSite = 0, kFirstLayerSite = 8, kSitesPerLayer = 4;

enum LayerSite : uint32_t { kProbabilities, kAttentionOutput, kFeedForwardOutput };

uint32_t layer_site(int64_t layer, LayerSite site) {
  return kFirstLayerSite + kSitesPerLayer * static_cast<uint32_t>(layer) + site;
}

LayerNorm make_norm(const EncoderShape& shape) {
  LayerNorm norm(shape.width, shape.layer_norm_epsilon);
  norm.weight.initial = Initial::one;
  return norm;
}

// Where the global tokens lie in a batch seen as (B T) rows.
Tensor global_rows(const GlobalTokens& tokens, int64_t T) {
  std::vector<int32_t> rows;
  for (size_t b = 0; b + 1 < tokens.offsets.size(); ++b) {
    for (int64_t n = tokens.offsets[b]; n < tokens.offsets[b + 1]; ++n) {
      rows.push_back(
          static_cast<int32_t>(static_cast<int64_t>(b) * T + tokens.positions[static_cast<size_t>(n)]));
    }
  }
  return Tensor::from({static_cast<int64_t>(rows.size())}, rows);
}

// The places whose target is not -1, and their targets.
struct Chosen {
  Tensor rows, targets;
};

Chosen chosen_of(const Tensor& targets) {
  std::vector<int32_t> rows, values;
  const int32_t* target = targets.data<int32_t>();
  for (int64_t i = 0; i < targets.elements(); ++i) {
    if (target[i] == -1) continue;
    rows.push_back(static_cast<int32_t>(i));
    values.push_back(target[i]);
  }
  const Shape shape{static_cast<int64_t>(rows.size())};
  return {Tensor::from(shape, rows), Tensor::from(shape, values)};
}

}  // namespace

Tensor positions_of(const Tensor& ids, int32_t padding_id) {
  Tensor result = Tensor::empty(ids.shape(), DType::i32);
  const int64_t T = ids.dim(1);
  const int32_t* id = ids.data<int32_t>();
  int32_t* position = result.data<int32_t>();
  for (int64_t b = 0; b < ids.dim(0); ++b) {
    int32_t last = padding_id;
    for (int64_t t = b * T; t < (b + 1) * T; ++t) position[t] = id[t] == padding_id ? padding_id : ++last;
  }
  return result;
}

EncoderAttention::EncoderAttention(const EncoderShape& shape)
    : query(shape.width, shape.width, true),
      key(query),
      value(query),
      query_global(query),
      key_global(query),
      value_global(query),
      has_global(shape.is_longformer()) {}

EncoderLayer::EncoderLayer(const EncoderShape& shape)
    : attention(shape),
      attention_dense(shape.width, shape.width, true),
      attention_norm(make_norm(shape)),
      feed_forward(shape.width, shape.feed_forward),
      output_norm(make_norm(shape)) {}

Encoder::Encoder(const EncoderShape& shape_)
    : shape(shape_),
      words{.shape = {shape_.vocabulary, shape_.width}},
      positions{.shape = {shape_.positions, shape_.width}},
      token_types{.shape = {shape_.token_types, shape_.width}},
      embedding_norm(make_norm(shape_)),
      layers(static_cast<size_t>(shape_.layers), EncoderLayer(shape_)) {
  CHECK(shape.width % shape.heads == 0, "encoder: ", shape.heads, " heads do not divide the width ",
        shape.width);
  CHECK(shape.windows.empty() || std::ssize(shape.windows) == shape.layers, "encoder: ", shape.windows.size(),
        " windows for ", shape.layers, " layers");
  for (const int64_t window : shape.windows) {
    CHECK(window >= 2 && window % 2 == 0, "encoder: an attention window of ", window,
          "; it must be even and positive");
  }
}

Var Encoder::embed(const EncoderInput& input, const Pass& pass) const {
  const Tensor& ids = input.ids;
  const Tensor places = positions_of(ids, shape.padding_id);
  // Look-ups of the padding id train neither table, as in PyTorch's padding_idx.
  Var x = embedding(words, ids, 1.0, pass.compute, shape.padding_id);
  x = add(x, embedding(positions, places, 1.0, pass.compute, shape.padding_id));
  x = add(x, embedding(token_types, Tensor::zeros(ids.shape(), DType::i32), 1.0, pass.compute));
  return dropout(embedding_norm(x), pass.dropout(shape.dropout, kEmbeddingSite));
}

Var Encoder::attend(const EncoderAttention& attention, int64_t window, const Var& x,
                    const EncoderInput& input, const Dropout& drop) const {
  const int64_t B = x.dim(0), T = x.dim(1), D = shape.width, H = shape.heads, K = shape.head_width();
  const Shape heads{B, T, H, K};
  const AttentionPattern pattern{.left = window / 2,
                                 .right = window / 2,
                                 .dilation = {},
                                 .key_mask = input.mask,
                                 .global_tokens = input.global_tokens,
                                 .dropout = drop};
  Var context = window_attention(reshape(attention.query(x), heads), reshape(attention.key(x), heads),
                                 reshape(attention.value(x), heads), pattern);
  if (input.global_tokens && !input.global_tokens->positions.empty()) {
    const Tensor rows = global_rows(*input.global_tokens, T);
    const Var q = attention.query_global(select_rows(reshape(x, {B * T, D}), rows));
    context = global_attention(context, reshape(q, {rows.elements(), H, K}),
                               reshape(attention.key_global(x), heads),
                               reshape(attention.value_global(x), heads), pattern);
  }
  return reshape(context, {B, T, D});
}

Var Encoder::layer(int64_t index, const Var& x, const EncoderInput& input, const Pass& pass) const {
  const EncoderLayer& layer = layers[static_cast<size_t>(index)];
  const auto drop = [&](double probability, LayerSite site) {
    return pass.dropout(probability, layer_site(index, site));
  };
  // Full attention is a window that reaches from end to end.
  const int64_t window = shape.is_longformer() ? shape.windows[static_cast<size_t>(index)] : 2 * x.dim(1);
  const Var context =
      attend(layer.attention, window, x, input, drop(shape.attention_dropout, kProbabilities));
  const Var attended = layer.attention_dense(context);
  const Var h = layer.attention_norm.of_sum(x, attended, drop(shape.dropout, kAttentionOutput)).norm;
  const Var fed = layer.feed_forward(h, Dropout());
  return layer.output_norm.of_sum(h, fed, drop(shape.dropout, kFeedForwardOutput)).norm;
}

Var Encoder::operator()(const EncoderInput& input, const Pass& pass, bool recomputes) const {
  CHECK(input.ids.shape().rank() == 2, "encoder: ids are ", input.ids.shape(), ", needed (B, T)");
  CHECK(input.ids.dim(1) <= shape.longest(), "encoder: a sequence of ", input.ids.dim(1),
        " tokens, but the model has ", shape.longest(), " positions");
  CHECK(shape.is_longformer() || !input.global_tokens || input.global_tokens->positions.empty(),
        "encoder: RoBERTa has no global attention; convert it to a Longformer first");
  Var x = embed(input, pass);
  for (int64_t i = 0; i < shape.layers; ++i) {
    const auto run = [i, input, pass, this](const Var& hidden) { return layer(i, hidden, input, pass); };
    x = recomputes ? recompute(run, x) : run(x);
  }
  return x;
}

MaskedLM::MaskedLM(const EncoderShape& shape)
    : encoder(shape),
      dense(shape.width, shape.width, true),
      norm(make_norm(shape)),
      output_bias{.shape = {shape.vocabulary}, .initial = Initial::zero, .decays = false} {}

Var MaskedLM::logits(const Var& hidden) const {
  const Var x = norm(gelu_dropout(dense(hidden), Dropout()));
  return linear(x, encoder.words, output_bias);
}

Var MaskedLM::losses(const EncoderInput& input, const Tensor& targets, const Pass& pass,
                     bool recomputes) const {
  CHECK(targets.shape() == input.ids.shape() && targets.dtype() == DType::i32, "masked LM: targets are ",
        targets.shape(), ' ', name(targets.dtype()), " for ids ", input.ids.shape(),
        "; needed the same, i32");
  const Chosen chosen = chosen_of(targets);
  const Var hidden = encoder(input, pass, recomputes);
  const Shape rows{hidden.dim(0) * hidden.dim(1), encoder.shape.width};
  return cross_entropy(logits(select_rows(reshape(hidden, rows), chosen.rows)), chosen.targets);
}

}  // namespace lf
