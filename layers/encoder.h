// The encoder of RoBERTa (Liu et al. 2019) and of Longformer (Beltagy et al. 2020), post-LN, with Hugging
// Face's parameter names, so that their files need no table of names. They differ in attention alone: RoBERTa
// sees every token, Longformer a window and global tokens with projections of their own.
#pragma once

#include <string>
#include <vector>

#include "layers/basic.h"
#include "layers/encoder_shape.h"
#include "layers/roberta_embeddings.h"
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

struct Encoder {
  EncoderShape shape;
  RobertaEmbeddings embeddings;
  std::vector<EncoderLayer> layers;

  explicit Encoder(const EncoderShape& shape_);

  // Hugging Face's name of the model that it is in its files.
  const char* name() const { return shape.is_longformer() ? "longformer" : "roberta"; }

  // The last hidden states (N, D), or (B, T, D) for ids (B, T). What a sequence gives does not depend on the
  // others of its batch. With `recomputes` each layer keeps its input only and runs again in backward.
  // Errors: sequences without tokens or longer than shape.longest(), ids outside the vocabulary, global
  // tokens in RoBERTa.
  Var operator()(const EncoderInput& input, const Pass& pass, bool recomputes = false) const;

  void visit(auto&& field) {
    field("embeddings", embeddings);
    field("encoder.layer", layers);
  }

 private:
  void check(const EncoderInput& input) const;
  Var layer(int64_t index, const Var& x, const EncoderInput& input, const Pass& pass) const;
  Var attend(const EncoderAttention& attention, int64_t window, const Var& x, const EncoderInput& input,
             const Dropout& drop) const;
};

// An encoder with RoBERTa's masked-language-model head; the output layer is the word embedding.
struct MaskedLM {
  Encoder encoder;
  Linear dense;
  LayerNorm norm;
  Parameter output_bias;  // (V)

  explicit MaskedLM(const EncoderShape& shape);

  // hidden (..., D) -> logits (..., V)
  Var logits(const Var& hidden) const;
  // -log p(target) in nats (N) of the N positions, in their order, whose target is not -1; targets i32 as
  // the ids. Only those positions go through the head.
  Var losses(const EncoderInput& input, const Tensor& targets, const Pass& pass,
             bool recomputes = false) const;

  void visit(auto&& field) {
    field(encoder.name(), encoder);
    field("lm_head.bias", output_bias);
    field("lm_head.dense", dense);
    field("lm_head.layer_norm", norm);
  }
};

}  // namespace lf
