// The layers of an encoder, post-LN, which see every token of their sequence or, in Longformers, a window and
// global tokens with projections of their own (Beltagy et al. 2020, section 3).
#pragma once

#include <string>
#include <vector>

#include "layers/basic.h"
#include "layers/encoder_shape.h"
#include "layers/transformer_block.h"

namespace lf {

// query, key, value and, in a Longformer, query_global, key_global, value_global: all (D, D) with biases.
struct EncoderAttention {
  Linear query, key, value, query_global, key_global, value_global;
  bool has_global;

  explicit EncoderAttention(const EncoderShape& shape);
};

struct EncoderLayer {
  const BlockNames* names;
  EncoderAttention attention;
  Linear attention_output;
  LayerNorm attention_norm;
  FeedForward feed_forward;
  LayerNorm output_norm;

  explicit EncoderLayer(const EncoderShape& shape, const BlockNames& names_ = kRobertaBlock);
  void visit(auto&& field) {
    const auto global = [](const char* of) { return std::string(of) + "_global"; };
    field(names->query, attention.query);
    field(names->key, attention.key);
    field(names->value, attention.value);
    if (attention.has_global) {
      field(global(names->query), attention.query_global);
      field(global(names->key), attention.key_global);
      field(global(names->value), attention.value_global);
    }
    field(names->attention_output, attention_output);
    field(names->attention_norm, attention_norm);
    field(names->up, feed_forward.up);
    field(names->down, feed_forward.down);
    field(names->output_norm, output_norm);
  }
};

// Throws Error for offsets that do not fit the ids, sequences without tokens (a slice may have none) or
// longer than shape.longest().
void check_input(const EncoderShape& shape, const EncoderInput& input, const Pass& pass);

// x (N, D), or (B, T, D) for ids (B, T), through all layers. What a sequence gives does not depend on the
// others of its batch. With `recomputes` each layer keeps its input only and runs again in backward.
Var encode(const EncoderShape& shape, const std::vector<EncoderLayer>& layers, const Var& x,
           const EncoderInput& input, const Pass& pass, bool recomputes);

}  // namespace lf
