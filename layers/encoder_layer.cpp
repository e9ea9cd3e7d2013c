#include "layers/encoder_layer.h"

#include "autograd/sequence_slices.h"
#include "layers/attention_probe.h"
#include "layers/dropout_sites.h"

namespace lf {
namespace {

// Where a layer drops.
enum class EncoderSite : uint32_t { probabilities, attention_output, feed_forward_output, inner };

// The rows of the global tokens in a batch whose sequences begin at `begins`.
Tensor global_rows(const GlobalTokens& tokens, const std::vector<int64_t>& begins) {
  std::vector<int32_t> rows;
  for (size_t b = 0; b + 1 < tokens.offsets.size(); ++b) {
    for (int64_t n = tokens.offsets[b]; n < tokens.offsets[b + 1]; ++n)
      rows.push_back(static_cast<int32_t>(begins[b] + tokens.positions[static_cast<size_t>(n)]));
  }
  return Tensor::from({static_cast<int64_t>(rows.size())}, rows);
}

// The longest sequence, of which the input may have a slice.
int64_t whole_length(const EncoderInput& input, const Pass& pass) {
  return pass.slices ? pass.slices->longest() : input.longest();
}

// With `seen`, notes there what it attends by.
Var attend(const EncoderShape& shape, const EncoderAttention& attention, int64_t window, const Var& x,
           const EncoderInput& input, const Dropout& drop,
           const std::shared_ptr<const SequenceSlices>& slices, AttentionInputs* seen) {
  const int64_t H = shape.heads, K = shape.head_width(), D = shape.width;
  const auto heads = [&](const Var& y) {
    std::vector<int64_t> dims = input.ids.shape().dims();
    dims.insert(dims.end(), {H, K});
    return reshape(y, Shape(dims));
  };
  const AttentionPattern pattern{.left = window / 2,
                                 .right = window / 2,
                                 .key_mask = input.mask,
                                 .global_tokens = input.global_tokens,
                                 .dropout = drop,
                                 .offsets = input.offsets,
                                 .slices = slices};
  const auto noted = [&](Tensor AttentionInputs::*place, Var y) {
    if (seen) seen->*place = y.value();
    return y;
  };
  const Var k = heads(attention.key(x)), v = heads(attention.value(x));
  Var context = window_attention(noted(&AttentionInputs::q, heads(attention.query(x))),
                                 noted(&AttentionInputs::k, k), v, pattern);
  if (input.global_tokens && !input.global_tokens->positions.empty()) {
    const GlobalTokens& whole = *input.global_tokens;
    const Tensor rows =
        global_rows(slices ? slices->globals_of(slices->ranks->rank(), whole) : whole, input.sequences());
    const bool own = shape.own_global_projections;
    const Linear& query = own ? attention.query_global : attention.query;
    const Var q = query(select_rows(reshape(x, {input.ids.elements(), D}), rows));
    context =
        global_attention(context, noted(&AttentionInputs::q_global, reshape(q, {rows.elements(), H, K})),
                         noted(&AttentionInputs::k_global, own ? heads(attention.key_global(x)) : k),
                         own ? heads(attention.value_global(x)) : v, pattern);
  }
  return reshape(context, x.shape());
}

Var run_layer(const EncoderShape& shape, const EncoderLayer& layer, int64_t index, const Var& x,
              const EncoderInput& input, const Pass& pass) {
  const auto drop = [&](double probability, EncoderSite site) {
    return pass.token_dropout(probability, layer_site(index, site));
  };
  // Full attention is a window that reaches from end to end.
  const int64_t window =
      shape.is_longformer() ? shape.windows[static_cast<size_t>(index)] : 2 * whole_length(input, pass);
  const auto attended = [&](const Var& hidden) {
    const Dropout probabilities =
        pass.dropout(shape.attention_dropout, layer_site(index, EncoderSite::probabilities));
    AttentionInputs seen{shape, input, index};
    const Var context = attend(shape, layer.attention, window, hidden, input, probabilities, pass.slices,
                               pass.probe ? &seen : nullptr);
    if (pass.probe) pass.probe->see(seen);
    return layer.attention_output(context);
  };
  return transformer_block(NormPlace::behind, {layer.attention_norm, layer.feed_forward, layer.output_norm},
                           x, attended,
                           {.attention_output = drop(shape.dropout, EncoderSite::attention_output),
                            .inner = drop(shape.inner_dropout, EncoderSite::inner),
                            .output = drop(shape.dropout, EncoderSite::feed_forward_output)});
}

}  // namespace

EncoderAttention::EncoderAttention(const EncoderShape& shape)
    : query(shape.width, shape.width, true),
      key(query),
      value(query),
      query_global(query),
      key_global(query),
      value_global(query),
      has_global(shape.is_longformer()) {}

EncoderLayer::EncoderLayer(const EncoderShape& shape, const BlockNames& names_)
    : names(&names_),
      attention(shape),
      attention_output(shape.width, shape.width, true),
      attention_norm(shape.make_norm()),
      feed_forward(shape.width, shape.feed_forward),
      output_norm(shape.make_norm()) {}

void check_input(const EncoderShape& shape, const EncoderInput& input, const Pass& pass) {
  CHECK(!pass.slices || !pass.probe, "encoder: attention is shown of whole sequences only");
  CHECK(input.ids.shape().rank() == (input.is_ragged() ? 1 : 2), "encoder: ids are ", input.ids.shape(),
        ", needed ", input.is_ragged() ? "(N)" : "(B, T)");
  const std::vector<int64_t>& offsets = input.offsets;
  CHECK(offsets.empty() || (offsets.front() == 0 && offsets.back() == input.ids.elements()),
        "encoder: the offsets of the sequences must go from 0 to the number of ids, ", input.ids.elements());
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    CHECK(offsets[b] < offsets[b + 1] || pass.slices, "encoder: sequence ", b, " has no tokens");
  }
  const int64_t longest = whole_length(input, pass);
  CHECK(longest <= shape.longest(), "encoder: a sequence of ", longest, " tokens, but the model has ",
        shape.longest(), " positions");
}

Var encode(const EncoderShape& shape, const std::vector<EncoderLayer>& layers, const Var& x,
           const EncoderInput& input, const Pass& pass, bool recomputes) {
  Var hidden = x;
  for (size_t i = 0; i < layers.size(); ++i) {
    const EncoderLayer& layer = layers[i];
    const auto run = [&layer, i, shape, input, pass](const Var& inner) {
      return run_layer(shape, layer, static_cast<int64_t>(i), inner, input, pass);
    };
    hidden = recomputes ? recompute(run, hidden) : run(hidden);
  }
  return hidden;
}

}  // namespace lf
