// The transformer block that all models share: attention and a feed-forward network, each added to its
// input, with the norms before what they feed (pre-LN) or behind the sum (post-LN). What the parameters are
// called is data.
#pragma once

#include <functional>

#include "layers/basic.h"

namespace lf {

// A model's names of a block's parts.
struct BlockNames {
  const char *query, *key, *value, *attention_output, *attention_norm, *up, *down, *output_norm;
};

inline constexpr BlockNames kRobertaBlock{.query = "attention.self.query",
                                          .key = "attention.self.key",
                                          .value = "attention.self.value",
                                          .attention_output = "attention.output.dense",
                                          .attention_norm = "attention.output.LayerNorm",
                                          .up = "intermediate.dense",
                                          .down = "output.dense",
                                          .output_norm = "output.LayerNorm"};
inline constexpr BlockNames kBartBlock{.query = "self_attn.q_proj",
                                       .key = "self_attn.k_proj",
                                       .value = "self_attn.v_proj",
                                       .attention_output = "self_attn.out_proj",
                                       .attention_norm = "self_attn_layer_norm",
                                       .up = "fc1",
                                       .down = "fc2",
                                       .output_norm = "final_layer_norm"};

inline constexpr BlockNames kLedBlock{.query = "self_attn.longformer_self_attn.query",
                                      .key = "self_attn.longformer_self_attn.key",
                                      .value = "self_attn.longformer_self_attn.value",
                                      .attention_output = "self_attn.output",
                                      .attention_norm = "self_attn_layer_norm",
                                      .up = "fc1",
                                      .down = "fc2",
                                      .output_norm = "final_layer_norm"};

enum class NormPlace { before, behind };

// The parts that do not attend. Pre-LN: attention_norm is before attention, output_norm before feed_forward.
struct BlockParts {
  const LayerNorm& attention_norm;
  const FeedForward& feed_forward;
  const LayerNorm& output_norm;
};

struct BlockDropout {
  RowDropout attention_output, inner, output;
};

// `attend` gives what attention adds to its input, before dropout.
Var transformer_block(NormPlace place, const BlockParts& parts, const Var& x,
                      const std::function<Var(const Var&)>& attend, const BlockDropout& drop);

}  // namespace lf
