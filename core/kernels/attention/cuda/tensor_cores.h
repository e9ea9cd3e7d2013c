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
bool has_tensor_cores(int64_t K, double scale, const T* r, const Views&... views) {
  const auto aligned = [](const auto& view) {
    return reinterpret_cast<uintptr_t>(view.data) % 16 == 0 && view.token_stride % 8 == 0;
  };
  return std::is_same_v<T, bf16> && has_tensor_core_width(K) && scale > 0 && (aligned(views) && ...) &&
         reinterpret_cast<uintptr_t>(r) % 16 == 0 &&
         tensor_core_shared_bytes(K, r != nullptr) <= lf::cuda::device().shared_bytes_per_block;
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

// Positions of a sequence that one block walks where all of it would be too much: by its length alone, so
// that sums depend on neither the device nor the other sequences, and at most 32 of them.
LF_HOST_DEVICE inline int split_length(int length) {
  constexpr int kLeast = 512, kMostSplits = 32;
  const int even = (length + kMostSplits - 1) / kMostSplits;
  return even < kLeast ? kLeast : (even + kTile - 1) / kTile * kTile;
}
LF_HOST_DEVICE inline int splits_of(int length) {
  return (length + split_length(length) - 1) / split_length(length);
}

// Of dense attention, where many queries fill the device without.
LF_HOST_DEVICE inline int dense_share(int length, int queries) {
  constexpr int kFew = 512;
  return queries <= kFew ? split_length(length) : length;
}
LF_HOST_DEVICE inline int dense_splits(int length, int queries) {
  return length == 0 ? 0 : (length + dense_share(length, queries) - 1) / dense_share(length, queries);
}

// How much of each there is at most: what grids are made of.
struct Tiles {
  int64_t of_head = 0;  // tiles of 64 tokens of a head and sequence (tiles_of_head)
  int splits = 0;       // of a sequence

  explicit Tiles(const AttentionShape& shape);
};

void tensor_core_forward(const TileCall& call, const Tiles& tiles, TokenView<bf16> context, float* lse);

// Writes dq and call.delta.
void tensor_core_backward_queries(const TileCall& call, const Tiles& tiles, TokenView<bf16> dq);
// Writes dk, dv and key_sums (H, N; null without relative positions): sums of dS over queries. u: (H, K)
// or null. Needs call.delta.
void tensor_core_backward_keys(const TileCall& call, const Tiles& tiles, const float* u, TokenView<bf16> dk,
                               TokenView<bf16> dv, float* key_sums);

// Writes dr (rows, H, K) and distance_sums (rows, H): sums of dS over pairs of one distance. v: (H, K). Needs
// call.delta.
void tensor_core_backward_distances(const TileCall& call, const Tiles& tiles, const float* v, bf16* dr,
                                    float* distance_sums);

// A block of dense attention: a tile of listed queries, and its split of the keys.
struct DenseBlock {
  Block block;
  int split, begin, end;  // keys

  // The place of query `position` among all `queries`' partial results of every split and head.
  __device__ int64_t partial(const DeviceAttention& shape, int64_t queries, int position) const {
    return (split * queries + shape.first_global(block.b) + position) * shape.H + block.h;
  }
};
// Grid (tiles x splits, H, B); false where the sequence has no such tile.
__device__ inline bool find_dense_block(const TileCall& call, DenseBlock& dense) {
  const int b = static_cast<int>(blockIdx.z), x = static_cast<int>(blockIdx.x);
  const int length = call.shape.length(b), queries = call.shape.globals(b);
  const int share = dense_share(length, queries), splits = dense_splits(length, queries);
  if (length == 0) return false;
  dense.block = {b, static_cast<int>(blockIdx.y), global_sequence(call.shape, b), x / splits * kTile};
  dense.split = x % splits;
  dense.begin = dense.split * share, dense.end = min(length, dense.begin + share);
  if (dense.block.start >= queries) return false;
  if (call.shape.causal)  // the last query's position is the farthest that any sees
    dense.end = min(dense.end, dense.block.tokens.token(min(dense.block.start + kTile, queries) - 1) + 1);
  return true;
}
// The grid of find_dense_block.
struct DenseGrid {
  int splits = 0;
  int64_t blocks = 0;

  explicit DenseGrid(const DenseShape& shape);
};

// q, context, their gradients and lse go by the order of the `queries` listed ones.
void tensor_core_dense_forward(const TileCall& call, const DenseGrid& grid, int64_t queries,
                               TokenView<bf16> context, float* lse);
// Writes dq and call.delta.
void tensor_core_dense_backward_queries(const TileCall& call, const DenseGrid& grid, int64_t queries,
                                        bf16* dq);
void tensor_core_dense_backward_keys(const TileCall& call, TokenView<bf16> dk, TokenView<bf16> dv);

}  // namespace lf::kernels::cuda
