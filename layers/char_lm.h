// The character language model of the Longformer paper (Beltagy et al. 2020, section 4): a pre-LN transformer
// with causal window attention, dilated heads and Transformer-XL's relative positions. The paper's small
// model has 12 layers of width 512, the large one 30.
//   x = embedding[ids] sqrt(D);  x += attention(norm(x));  x += feed_forward(norm(x))
//   logits = x embedding^T + bias
#pragma once

#include <vector>

#include "layers/basic.h"
#include "layers/char_lm_shape.h"
#include "layers/composed_attention.h"
#include "layers/transformer_block.h"

namespace lf {

// What each layer sees in a stage: `window` earlier tokens in steps of the head's dilation. One entry per
// layer.
struct LayerPattern {
  int64_t window = 0;
  std::vector<int32_t> dilation;  // (H); empty: all 1

  int64_t largest_dilation() const;
  // Tokens between a query and its farthest key.
  int64_t reach() const { return window * largest_dilation(); }
};
struct CharLMPattern {
  std::vector<LayerPattern> layers;
  AttentionImplementation implementation = AttentionImplementation::fused;
  bool recompute = false;  // keep only each block's input and run the block again in backward
};

// Causal window attention with relative positions; qkv and the projections have no biases.
struct RelativeAttention {
  Linear qkv, position, output;
  CharLMShape shape;

  explicit RelativeAttention(const CharLMShape& shape_);
  // x (B,T,D), table (distances, D) of sinusoids, u and v (H,K) -> (B,T,D)
  Var operator()(const Var& x, const Var& table, const Var& u, const Var& v, const LayerPattern& pattern,
                 AttentionImplementation implementation, const Dropout& drop,
                 const std::shared_ptr<const SequenceSlices>& slices) const;
  void visit(auto&& field) {
    field("qkv", qkv);
    if (shape.relative_positions) field("position", position);
    field("output", output);
  }
};

struct CharLMBlock {
  LayerNorm attention_norm;
  RelativeAttention attention;
  LayerNorm feed_forward_norm;
  FeedForward feed_forward;

  explicit CharLMBlock(const CharLMShape& shape);
  void visit(auto&& field) {
    field("attention_norm", attention_norm);
    field("attention", attention);
    field("feed_forward_norm", feed_forward_norm);
    field("feed_forward", feed_forward);
  }
};

// Transformer-XL's sinusoids: row d is [sin(d f_0) ... sin(d f_n), cos(d f_0) ... cos(d f_n)] with
// f_i = 10000^(-2i/width); (distances, width).
Tensor sinusoids(int64_t distances, int64_t width, DType dtype);

// The same, kept from pass to pass: computing them takes the CPU longer than a GPU takes for a layer.
class SinusoidTable {
 public:
  Tensor rows(int64_t distances, int64_t width, DType dtype, Device device);

 private:
  Tensor rows_;  // of the most distances so far
};

struct CharLM {
  CharLMShape shape;
  Parameter embedding;               // (V,D), also the output layer
  Parameter output_bias;             // (V)
  Parameter position_u, position_v;  // (H,K), shared by all layers
  std::vector<CharLMBlock> layers;
  LayerNorm final_norm;

  explicit CharLM(const CharLMShape& shape_);

  // ids (B,T) i32 -> logits (B,T,V)
  Var logits(const Tensor& ids, const CharLMPattern& pattern, const Pass& pass) const;
  // -log p(target) in nats for every position; ids, targets (B,T) i32 -> (B,T)
  Var losses(const Tensor& ids, const Tensor& targets, const CharLMPattern& pattern, const Pass& pass) const;

  void visit(auto&& field) {
    field("embedding.weight", embedding);
    field("output_bias", output_bias);
    if (shape.relative_positions) {
      field("position_u", position_u);
      field("position_v", position_v);
    }
    field("layers", layers);
    if (shape.final_layer_norm) field("final_norm", final_norm);
  }

 private:
  Var block(const CharLMBlock& layer, int64_t index, const Var& x, const Var& table,
            const CharLMPattern& pattern, const Pass& pass) const;

  mutable SinusoidTable sinusoids_;
};

}  // namespace lf
