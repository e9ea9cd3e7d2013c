// Attention in bf16 on tensor cores (sm_80 and later): the kernels' entries, and which calls they serve.
#pragma once

#include <type_traits>

#include "core/cuda/runtime.h"
#include "core/kernels/attention/choice.h"
#include "core/kernels/attention/cuda/key_walk.h"

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

// Shared memory of a block of each file's kernels; K must have such kernels.
int64_t forward_shared_bytes(int64_t K, bool relative);
int64_t backward_queries_shared_bytes(int64_t K, bool relative);
int64_t backward_keys_shared_bytes(int64_t K, bool relative);
int64_t backward_distances_shared_bytes(int64_t K);

// Whether tensor cores serve a call on tensors of T: bf16 whose rows are copied 16 bytes at a time. r: rows
// of relative positions, or null.
template <class T, class... Views>
bool has_tensor_cores(const WindowAttentionShape& shape, const T* r, const Views&... views) {
  const auto aligned = [](const auto& view) {
    return reinterpret_cast<uintptr_t>(view.data) % 16 == 0 && view.batch_stride % 8 == 0 &&
           view.token_stride % 8 == 0;
  };
  return std::is_same_v<T, bf16> && has_tensor_core_width(shape.K) && shape.scale > 0 &&
         (aligned(views) && ...) && reinterpret_cast<uintptr_t>(r) % 16 == 0 &&
         tensor_core_shared_bytes(shape.K, r != nullptr) <= lf::cuda::device().shared_bytes_per_block;
}

// The description of a call without relative positions.
inline TileCall tile_call(const DeviceAttention& shape, TokenView<const bf16> q, TokenView<const bf16> k,
                          TokenView<const bf16> v) {
  TileCall call;
  call.shape = shape;
  call.q = q, call.k = k, call.v = v;
  call.scale = static_cast<float>(shape.scale);
  call.scale_log2 = call.scale * kLog2OfE;
  return call;
}

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

// Global attention: q, dq and lse go by the order of the `queries` listed tokens (q's batch stride is 0).
void tensor_core_dense_forward(TileCall call, int64_t queries, TokenView<bf16> context, float* lse);
// Writes dq and call.delta.
void tensor_core_dense_backward_queries(TileCall call, int64_t queries, bf16* dq);
void tensor_core_dense_backward_keys(const TileCall& call, TokenView<bf16> dk, TokenView<bf16> dv);

// Positions of a sequence that one block walks where all of it would be too much: by the length alone, so
// that sums do not depend on the device, and at most 32 of them.
inline int split_length(int length) {
  constexpr int kLeast = 512, kMostSplits = 32;
  const int even = (length + kMostSplits - 1) / kMostSplits;
  return even < kLeast ? kLeast : (even + kTile - 1) / kTile * kTile;
}

// A block of global attention: a tile of listed queries, and its split of the keys.
struct DenseBlock {
  Block block;
  int split, begin, end;  // keys

  // The place of query `position` among `queries` listed tokens' partial results of every split and head.
  __device__ int64_t partial(const DeviceAttention& shape, int64_t queries, int position) const {
    return (split * queries + shape.first_global(block.b) + position) * shape.H + block.h;
  }
};
// Grid (tiles x splits, H, B); false where the batch row has no such tile.
__device__ inline bool find_dense_block(const TileCall& call, DenseBlock& dense) {
  const int b = static_cast<int>(blockIdx.z), x = static_cast<int>(blockIdx.x);
  const int splits = (call.shape.T + call.split - 1) / call.split;
  dense.block = {b, static_cast<int>(blockIdx.y), global_sequence(call.shape, b), x / splits * kTile};
  dense.split = x % splits;
  dense.begin = dense.split * call.split, dense.end = min(call.shape.T, dense.begin + call.split);
  return dense.block.start < dense.block.tokens.length;
}
// The grid of find_dense_block, and what it splits.
struct DenseGrid {
  int splits;
  int64_t blocks;

  explicit DenseGrid(TileCall& call) {
    call.split = split_length(call.shape.T);
    splits = (call.shape.T + call.split - 1) / call.split;
    blocks = int64_t{splits} * ((call.shape.most_globals + kTile - 1) / kTile);
  }
};

}  // namespace lf::kernels::cuda
