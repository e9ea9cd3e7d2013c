// The layers of BART's decoder (Lewis et al. 2020), post-LN: attention to the tokens before, attention to the
// encoder's output, a feed-forward network.
#pragma once

#include <functional>
#include <vector>

#include "layers/basic.h"
#include "layers/seq2seq_shape.h"
#include "layers/transformer_block.h"

namespace lf {

// Hugging Face's BartAttention.
struct BartAttention {
  Linear query, key, value, output;

  explicit BartAttention(int64_t width)
      : query(width, width, true), key(query), value(query), output(query) {}
  void visit(auto&& field) {
    field("k_proj", key);
    field("v_proj", value);
    field("q_proj", query);
    field("out_proj", output);
  }
};

struct DecoderLayer {
  BartAttention self, cross;
  LayerNorm self_norm, cross_norm;
  FeedForward feed_forward;
  LayerNorm output_norm;

  explicit DecoderLayer(const Seq2SeqShape& shape);
  void visit(auto&& field) {
    field("self_attn", self);
    field("self_attn_layer_norm", self_norm);
    field("encoder_attn", cross);
    field("encoder_attn_layer_norm", cross_norm);
    field("fc1", feed_forward.up);
    field("fc2", feed_forward.down);
    field("final_layer_norm", output_norm);
  }
};

// Where a layer drops outside its attentions.
struct DecoderDropout {
  Dropout self_output;
  BlockDropout behind;  // of the attention to the source and of the feed-forward network
};

// One layer; each `see` gives what its attention adds to its input, before dropout.
Var decoder_block(const DecoderLayer& layer, const Var& x, const std::function<Var(const Var&)>& see_own,
                  const std::function<Var(const Var&)>& see_source, const DecoderDropout& drop);

// What the decoder attends to: the encoder's output (N, D) of the same B sequences.
struct EncoderOutput {
  Var hidden;
  std::vector<int64_t> offsets;  // (B + 1)
  Tensor mask;                   // (N) u8, 1 = a real token; undefined: all are
};

// x (M, D) through all layers, each token seeing those before it and the whole of its source.
Var decode(const Seq2SeqShape& shape, const std::vector<DecoderLayer>& layers, const Var& x,
           const DecoderInput& input, const EncoderOutput& source, const Pass& pass, bool recomputes);

}  // namespace lf
