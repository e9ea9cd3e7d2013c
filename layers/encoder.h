// The encoder of RoBERTa (Liu et al. 2019) and of Longformer (Beltagy et al. 2020), post-LN, with Hugging
// Face's parameter names, so that their files need no table of names. They differ in attention alone: RoBERTa
// sees every token, Longformer a window and global tokens with projections of their own.
#pragma once

#include <memory>
#include <vector>

#include "layers/basic.h"

namespace lf {

struct EncoderShape {
  int64_t vocabulary = 50265, width = 768, layers = 12, heads = 12, feed_forward = 3072;
  int64_t positions = 514;  // rows of the position table; the first padding_id + 1 belong to no real token
  int64_t token_types = 1;
  int32_t padding_id = 1;
  double layer_norm_epsilon = 1e-5, dropout = 0.1, attention_dropout = 0.1;
  // Keys that a local query sees on both sides together, per layer, as in `attention_window`; empty: RoBERTa.
  std::vector<int64_t> windows;

  bool is_longformer() const { return !windows.empty(); }
  int64_t head_width() const { return width / heads; }
  // The longest sequence: positions count from padding_id + 1.
  int64_t longest() const { return positions - padding_id - 1; }
};

// A batch of token sequences, in CPU memory whatever the model's device.
struct EncoderInput {
  Tensor ids;                                         // (B, T) i32
  Tensor mask;                                        // (B, T) u8, 1 = a real token; undefined: all are
  std::shared_ptr<const GlobalTokens> global_tokens;  // null: none; RoBERTa has none
};

// query, key, value and, in a Longformer, query_global, key_global, value_global: all (D, D) with biases.
struct EncoderAttention {
  Linear query, key, value, query_global, key_global, value_global;
  bool has_global;

  explicit EncoderAttention(const EncoderShape& shape);
  void visit(auto&& field) {
    field("query", query);
    field("key", key);
    field("value", value);
    if (!has_global) return;
    field("query_global", query_global);
    field("key_global", key_global);
    field("value_global", value_global);
  }
};

struct EncoderLayer {
  EncoderAttention attention;
  Linear attention_dense;
  LayerNorm attention_norm;
  FeedForward feed_forward;
  LayerNorm output_norm;

  explicit EncoderLayer(const EncoderShape& shape);
  void visit(auto&& field) {
    field("attention.self", attention);
    field("attention.output.dense", attention_dense);
    field("attention.output.LayerNorm", attention_norm);
    field("intermediate.dense", feed_forward.up);
    field("output.dense", feed_forward.down);
    field("output.LayerNorm", output_norm);
  }
};

struct Encoder {
  EncoderShape shape;
  Parameter words, positions, token_types;  // (V, D), (positions, D), (types, D)
  LayerNorm embedding_norm;
  std::vector<EncoderLayer> layers;

  explicit Encoder(const EncoderShape& shape_);

  // The last hidden states (B, T, D). With `recomputes` each layer keeps its input only and runs again in
  // backward. Errors: sequences longer than shape.longest() or not (B, T), ids outside the vocabulary, global
  // tokens in RoBERTa.
  Var operator()(const EncoderInput& input, const Pass& pass, bool recomputes = false) const;

  void visit(auto&& field) {
    field("embeddings.word_embeddings.weight", words);
    field("embeddings.position_embeddings.weight", positions);
    field("embeddings.token_type_embeddings.weight", token_types);
    field("embeddings.LayerNorm", embedding_norm);
    field("encoder.layer", layers);
  }

 private:
  Var embed(const EncoderInput& input, const Pass& pass) const;
  Var layer(int64_t index, const Var& x, const EncoderInput& input, const Pass& pass) const;
  Var attend(const EncoderAttention& attention, int64_t window, const Var& x, const EncoderInput& input,
             const Dropout& drop) const;
};

// Positions from ids as RoBERTa counts them: padding_id where the id is padding_id, else padding_id plus the
// number of other ids so far in the row; (B, T) i32.
Tensor positions_of(const Tensor& ids, int32_t padding_id);

// An encoder with RoBERTa's masked-language-model head; the output layer is the word embedding.
struct MaskedLM {
  Encoder encoder;
  Linear dense;
  LayerNorm norm;
  Parameter output_bias;  // (V)

  explicit MaskedLM(const EncoderShape& shape);

  // hidden (..., D) -> logits (..., V)
  Var logits(const Var& hidden) const;
  // -log p(target) in nats (N) of the N positions, in their order, whose target is not -1; targets (B, T)
  // i32. Only those positions go through the head.
  Var losses(const EncoderInput& input, const Tensor& targets, const Pass& pass,
             bool recomputes = false) const;

  void visit(auto&& field) {
    field(encoder.shape.is_longformer() ? "longformer" : "roberta", encoder);
    field("lm_head.bias", output_bias);
    field("lm_head.dense", dense);
    field("lm_head.layer_norm", norm);
  }
};

}  // namespace lf
