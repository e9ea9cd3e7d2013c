#include "layers/decoder_layer.h"

#include "layers/dropout_sites.h"

namespace lf {
namespace {

// Where a layer drops; two numbers of encoder layers each, behind those of the encoder.
enum class SelfSite : uint32_t { probabilities, output };
enum class CrossSite : uint32_t { probabilities, output, inner, feed_forward_output };

Var attend(const BartAttention& attention, int64_t heads, const Var& x, const Var& seen,
           const DensePattern& pattern) {
  const int64_t D = x.dim(1), K = D / heads;
  const auto split = [&](const Var& y) { return reshape(y, {y.dim(0), heads, K}); };
  const Var context = dense_attention(split(attention.query(x)), split(attention.key(seen)),
                                      split(attention.value(seen)), pattern);
  return attention.output(reshape(context, x.shape()));
}

Var run_layer(const Seq2SeqShape& shape, const DecoderLayer& layer, int64_t index, const Var& x,
              const Var& hidden, const DecoderInput& input, const EncoderOutput& source, const Pass& pass) {
  const EncoderShape& common = shape.encoder;
  const int64_t first = common.layers + 2 * index;
  const auto drop = [&](double probability, auto site, int64_t number) {
    return pass.dropout(probability, layer_site(number, site));
  };
  const DensePattern own{.query_offsets = input.offsets,
                         .key_offsets = input.offsets,
                         .causal = true,
                         .dropout = drop(common.attention_dropout, SelfSite::probabilities, first)};
  const DensePattern theirs{.query_offsets = input.offsets,
                            .key_offsets = source.offsets,
                            .key_mask = source.mask,
                            .dropout = drop(common.attention_dropout, CrossSite::probabilities, first + 1)};
  const int64_t heads = shape.decoder_heads;
  return decoder_block(
      layer, x, [&](const Var& y) { return attend(layer.self, heads, y, y, own); },
      [&](const Var& y) { return attend(layer.cross, heads, y, hidden, theirs); },
      {.self_output = drop(common.dropout, SelfSite::output, first),
       .behind = {.attention_output = drop(common.dropout, CrossSite::output, first + 1),
                  .inner = drop(common.inner_dropout, CrossSite::inner, first + 1),
                  .output = drop(common.dropout, CrossSite::feed_forward_output, first + 1)}});
}

}  // namespace

DecoderLayer::DecoderLayer(const Seq2SeqShape& shape)
    : self(shape.encoder.width),
      cross(self),
      self_norm(shape.encoder.make_norm()),
      cross_norm(self_norm),
      feed_forward(shape.encoder.width, shape.decoder_feed_forward),
      output_norm(self_norm) {}

Var decoder_block(const DecoderLayer& layer, const Var& x, const std::function<Var(const Var&)>& see_own,
                  const std::function<Var(const Var&)>& see_source, const DecoderDropout& drop) {
  const Var h = layer.self_norm.of_sum(x, see_own(x), drop.self_output).norm;
  return transformer_block(NormPlace::behind, {layer.cross_norm, layer.feed_forward, layer.output_norm}, h,
                           see_source, drop.behind);
}

Var decode(const Seq2SeqShape& shape, const std::vector<DecoderLayer>& layers, const Var& x,
           const DecoderInput& input, const EncoderOutput& source, const Pass& pass, bool recomputes) {
  Var y = x;
  for (size_t i = 0; i < layers.size(); ++i) {
    const DecoderLayer& layer = layers[i];
    const auto run = [&layer, i, shape, input, offsets = source.offsets, mask = source.mask,
                      pass](const std::vector<Var>& inner) {
      return run_layer(shape, layer, static_cast<int64_t>(i), inner[0], inner[1], input,
                       {inner[1], offsets, mask}, pass);
    };
    const std::vector<Var> inputs{y, source.hidden};
    y = recomputes ? recompute(run, inputs) : run(inputs);
  }
  return y;
}

}  // namespace lf
