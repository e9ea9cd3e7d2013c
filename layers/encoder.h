// The encoder of RoBERTa (Liu et al. 2019) and of Longformer (Beltagy et al. 2020), post-LN, with Hugging
// Face's parameter names, so that their files need no table of names. They differ in attention alone: RoBERTa
// sees every token, Longformer a window and global tokens with projections of their own.
#pragma once

#include <vector>

#include "layers/encoder_layer.h"
#include "layers/roberta_embeddings.h"

namespace lf {

struct Encoder {
  EncoderShape shape;
  RobertaEmbeddings embeddings;
  std::vector<EncoderLayer> layers;

  explicit Encoder(const EncoderShape& shape_);

  // Hugging Face's name of the model that it is in its files.
  const char* name() const { return shape.is_longformer() ? "longformer" : "roberta"; }

  // The last hidden states (N, D), or (B, T, D) for ids (B, T); see encode() and, for errors,
  // check_input(); besides: ids outside the vocabulary, global tokens in RoBERTa.
  Var operator()(const EncoderInput& input, const Pass& pass, bool recomputes = false) const;

  void visit(auto&& field) {
    field("embeddings", embeddings);
    field("encoder.layer", layers);
  }
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
