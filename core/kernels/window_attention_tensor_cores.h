// Attention in bf16 on tensor cores (sm_80 and later): the kernels' entries, and which calls they serve.
#pragma once

#include "core/kernels/window_attention_keys.h"

namespace lf::kernels::cuda {

// Calls f.operator()<K>() for a head width that has tensor-core kernels.
template <class F>
void with_head_width(int K, F&& f) {
  switch (K) {
    case 32:
      return f.template operator()<32>();
    case 64:
      return f.template operator()<64>();
    case 96:
      return f.template operator()<96>();
    case 128:
      return f.template operator()<128>();
    default:
      throw Error(text("attention on tensor cores: head width ", K, "; there are 32, 64, 96 and 128"));
  }
}
inline bool has_tensor_core_width(int64_t K) { return K == 32 || K == 64 || K == 96 || K == 128; }

// Calls f.operator()<Relative, Drops>().
template <class F>
void with_flags(const TileCall& call, F&& f) {
  const bool drops = call.shape.dropout_threshold > 0;
  if (call.r) {
    return drops ? f.template operator()<true, true>() : f.template operator()<true, false>();
  }
  return drops ? f.template operator()<false, true>() : f.template operator()<false, false>();
}

// `tiles`: the most tiles of 64 tokens that a head has (tiles_of_head).
void tensor_core_forward(const TileCall& call, int64_t tiles, TokenView<bf16> context, float* lse);

// Writes dq and call.delta.
void tensor_core_backward_queries(const TileCall& call, int64_t tiles, TokenView<bf16> dq);
// Writes dk, dv and key_sums (B, H, T; null without relative positions): sums of dS over queries. u: (H, K)
// or null. Needs call.delta.
void tensor_core_backward_keys(const TileCall& call, int64_t tiles, const float* u, TokenView<bf16> dk,
                               TokenView<bf16> dv, float* key_sums);

// Writes dr (rows, H, K) and distance_sums (rows, H): sums of dS over pairs of one distance. v: (H, K). Needs
// call.delta.
void tensor_core_backward_distances(const TileCall& call, int64_t tiles, const float* v, bf16* dr,
                                    float* distance_sums);

// Positions of a sequence that one block walks where all of it would be too much: by the length alone, so
// that sums do not depend on the device, and at most 32 of them.
inline int split_length(int length) {
  constexpr int kLeast = 512, kMostSplits = 32;
  const int even = (length + kMostSplits - 1) / kMostSplits;
  return even < kLeast ? kLeast : (even + kTile - 1) / kTile * kTile;
}

}  // namespace lf::kernels::cuda
