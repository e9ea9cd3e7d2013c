// Window attention, backward, the gradients of queries: the forward's walk again. P comes from lse, and
//   delta = rowsum(dcontext * context),  dS = P * (dcontext V^T * keep - delta),  dQ = scale (dS K + sheared
//   dS R).
#include "core/cuda/launch.h"
#include "core/kernels/attention/cuda/key_tiles.h"
#include "core/kernels/attention/cuda/key_walk.h"
#include "core/kernels/attention/cuda/tensor_cores.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::exp2_fast;
using lf::cuda::high_float;
using lf::cuda::low_float;

// What a lane keeps of its two queries.
template <int K>
struct QueryRows {
  LeftRows<K> queries, dcontext;
  float lse[2] = {kInfinite, kInfinite};  // in powers of two; infinite where the row has no gradient: P is 0
  float delta[2] = {};
};

// The dot products of two pairs of rows, by the four lanes that share them.
template <int K>
__device__ void dot_rows(const LeftRows<K>& a, const LeftRows<K>& b, float (&sums)[2]) {
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    float sum = 0;
    LF_UNROLL
    for (int step = 0; step < K / 16; ++step) {
      LF_UNROLL
      for (int j = i; j < 4; j += 2) {
        sum +=
            low_float(a[step][j]) * low_float(b[step][j]) + high_float(a[step][j]) * high_float(b[step][j]);
      }
    }
    sums[i] = quad_sum(sum);
  }
}

// dS of keys 16 pair and on, from their scores; kept: the bits of pairs that dropout keeps.
template <int K, bool Drops>
__device__ void score_gradients(const TileCall& call, const QueryRows<K>& rows, int pair,
                                const uint64_t (&kept)[2], const std::byte* v_tile, float (&s)[2][4]) {
  float dp[2][4] = {};
  multiply_pair<K>(dp[0], dp[1], rows.dcontext, v_tile, 16 * pair);
  if (Drops) replace_unset(dp, pair, kept, 0.0f);
  const float factor = Drops ? static_cast<float>(call.shape.kept) : 1.0f;
  LF_UNROLL
  for (int i = 0; i < 8; ++i) {
    const int row = i % 4 / 2;
    const float p = exp2_fast(s[i / 4][i % 4] * call.scale_log2 - rows.lse[row]);
    s[i / 4][i % 4] = p * (dp[i / 4][i % 4] * factor - rows.delta[row]);
  }
}

// Adds the sheared dS, which stands in the warp's diagonals, times the rows of r.
template <bool Edge, int K, int N>
__device__ void add_distances(const KeyWalk<K, N, true>& walk, int tile,
                              const typename KeyWalk<K, N, true>::Pairs& wanted, float (&dq)[K / 8][4]) {
  constexpr int kStride = kDiagonalStride<N>;
  float* const diagonals = walk.diagonals();
  LF_UNROLL
  for (int i = 0; i < 8; ++i) {  // 16 of a row's N + 16 columns belong to no pair
    const int row = (i * lf::cuda::kWarp + tile_lane()) / 16, n = tile_lane() % 16;
    diagonals[row * kStride + (n < 15 - row ? n : N + n)] = 0;
  }
  __syncwarp();
  LF_NO_UNROLL
  for (int step = 0; step < N / 16 + 1; ++step) {
    if (Edge && !(step >= wanted.low && step <= wanted.high)) continue;
    uint32_t left[4];
    LF_UNROLL
    for (int i = 0; i < 4; ++i) {
      const float* const from =
          diagonals + (lane_row() + i % 2 * 8) * kStride + 16 * step + i / 2 * 8 + lane_column();
      left[i] = lf::cuda::pack_bf16(from[0], from[1]);
    }
    multiply_into<K>(dq, left, walk.ring(), walk.ring_row(tile, step));
  }
}

template <bool Edge, int K, int N, bool Relative, bool Drops, class Token>
__device__ void add_tile(const TileCall& call, const KeyWalk<K, N, Relative>& walk, int tile, uint64_t seen,
                         const QueryRows<K>& rows, Token&& token, float (&dq)[K / 8][4]) {
  const auto wanted = walk.pairs(tile);
  [[maybe_unused]] const bool has_distances = Relative && !walk.is_listed(tile);
  walk.template multiply_distances<Edge>(tile, wanted, rows.queries);
  uint64_t visible[2], kept[2] = {};
  if (Edge) walk.visible_rows(tile, seen, visible);
  if (Drops) {
    kept_rows<N>(
        call.shape, static_cast<int>(blockIdx.z), walk.sequence(tile), [&](int) { return walk.first(tile); },
        token, kept);
  }
  LF_NO_UNROLL  // one pair gives enough to overlap; more would only hold registers
      for (int pair = 0; pair < N / 16; ++pair) {
    float s[2][4] = {};
    if (!Edge || wanted.has(pair)) {
      walk.score_pair(tile, pair, rows.queries, s);
      if (Edge) replace_unset(s, pair, visible, -kInfinite);
      score_gradients<K, Drops>(call, rows, pair, kept, walk.v_tile(tile), s);
      uint32_t left[4];
      pack_left(left, s[0], s[1]);
      multiply_into<K>(dq, left, walk.k_tile(tile), 16 * pair);
    }
    if constexpr (Relative) {
      if (!has_distances) continue;
      LF_UNROLL
      for (int i = 0; i < 8; ++i) {  // in the place of the product that this lane has just read
        const int n = 16 * pair + i / 4 * 8 + lane_column() + i % 2;
        walk.diagonals()[walk.diagonal(lane_row() + i % 4 / 2 * 8, n)] = s[i / 4][i % 4];
      }
    }
  }
  if constexpr (Relative) {
    if (has_distances) add_distances<Edge, K, N>(walk, tile, wanted, dq);
  }
}

// Reads a lane's two rows: `has` tells which exist, `live` which have a gradient.
template <int K>
__device__ void read_rows(const TileCall& call, const Block& block, const int64_t (&at)[2],
                          const int64_t (&slots)[2], const bool (&has)[2], const bool (&live)[2],
                          QueryRows<K>& rows) {
  const bf16 *q[2], *context[2], *dcontext[2];
  const int64_t head = int64_t{block.h} * K;
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float lse = live[i] ? call.lse[slots[i]] : -kInfinite;
    const bool seen = lse != -kInfinite;
    q[i] = has[i] ? call.q.row(at[i], head) : nullptr;
    context[i] = seen ? call.context.row(at[i], head) : nullptr;
    dcontext[i] = seen ? call.dcontext.row(at[i], head) : nullptr;
    if (seen) rows.lse[i] = lse * kLog2OfE;
  }
  read_left<K>(rows.queries, q[0], q[1]);
  read_left<K>(rows.dcontext, dcontext[0], dcontext[1]);
  LeftRows<K> values;
  read_left<K>(values, context[0], context[1]);
  dot_rows<K>(rows.dcontext, values, rows.delta);
}

template <bool Drops, int K, int N, bool Relative, class Token>
__device__ void add_tiles(const TileCall& call, KeyWalk<K, N, Relative>& walk, const QueryRows<K>& rows,
                          Token&& token, float (&dq)[K / 8][4]) {
  for_each_seen_tile(walk, [&]<bool Edge>(int tile, uint64_t seen) {
    add_tile<Edge, K, N, Relative, Drops>(call, walk, tile, seen, rows, token, dq);
  });
}

template <int K, bool Relative, bool Drops>
__global__ __launch_bounds__(kTileThreads,
                             1) void query_gradient_kernel(const __grid_constant__ TileCall call,
                                                           TokenView<bf16> out) {
  Block block;
  if (!find_block(call.shape, block)) return;
  const int last = min(block.start + kTile, block.tokens.length) - 1;
  KeyWalk<K, kKeys<K>, Relative> walk(call, global_sequence(call.shape, block.b), block.tokens, block.start,
                                      max(0, block.start - call.shape.left),
                                      min(block.tokens.length, last + call.shape.right + 1), true);
  walk.load(0);
  const int first = block.start + kWarpRows * tile_warp();
  int64_t tokens[2], slots[2];  // rows, and places in lse
  bool has[2], live[2];
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int position = first + lane_row() + 8 * i;
    has[i] = block.tokens.has(position);
    const int t = has[i] ? block.tokens.token(position) : 0;
    tokens[i] = call.shape.row(block.b, t), slots[i] = call.shape.slot(block.b, block.h, t);
    live[i] = has[i] && call.shape.is_query(block.b, t);
  }
  QueryRows<K> rows;
  read_rows<K>(call, block, tokens, slots, has, live, rows);
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    if (has[i] && tile_lane() % 4 == 0) call.delta[slots[i]] = rows.delta[i];
  }
  walk.publish(0);
  float dq[K / 8][4] = {};
  add_tiles<Drops>(
      call, walk, rows, [&](int n) { return block.tokens.token(first + n); }, dq);
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int position = first + lane_row() + 8 * i;
    if (!block.tokens.has(position)) continue;
    const int64_t row = call.shape.row(block.b, block.tokens.token(position));
    bf16* const to = out.row(row, int64_t{block.h} * K) + lane_column();
    LF_UNROLL
    for (int column = 0; column < K / 8; ++column) {
      const float* const from = dq[column] + 2 * i;
      *reinterpret_cast<uint32_t*>(to + 8 * column) =
          lf::cuda::pack_bf16(from[0] * call.scale, from[1] * call.scale);
    }
  }
}

// Dense attention: listed queries, a split of the keys; partial sums of dq (split, query, H, K).
template <int K, bool Drops>
__global__ __launch_bounds__(kTileThreads) void dense_query_gradient_kernel(
    const __grid_constant__ TileCall call, int64_t queries, float* partials) {
  DenseBlock dense;
  if (!find_dense_block(call, dense)) return;
  const Block& block = dense.block;
  const Sequence all{nullptr, 0, 1, call.shape.length(dense.block.b)};
  KeyWalk<K, kKeys<K>, false> walk(call, block.tokens, all, block.start, dense.begin, dense.end, false);
  walk.load(0);
  const int first = block.start + kWarpRows * tile_warp();
  int64_t rows_of_q[2], slots[2];
  bool has[2], live[2];
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int position = first + lane_row() + 8 * i;
    has[i] = block.tokens.has(position);
    rows_of_q[i] = call.shape.first_global(block.b) + position;
    slots[i] = rows_of_q[i] * call.shape.H + block.h;
    live[i] = has[i] && block.tokens.token(position) >= 0;
  }
  QueryRows<K> rows;
  read_rows<K>(call, block, rows_of_q, slots, has, live, rows);
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    if (has[i] && dense.split == 0 && tile_lane() % 4 == 0) call.delta[slots[i]] = rows.delta[i];
  }
  walk.publish(0);
  float dq[K / 8][4] = {};
  const auto token = [&](int n) { return block.tokens.has(first + n) ? block.tokens.token(first + n) : 0; };
  add_tiles<Drops>(call, walk, rows, token, dq);
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int position = first + lane_row() + 8 * i;
    if (!block.tokens.has(position)) continue;
    float* const to = partials + dense.partial(call.shape, queries, position) * K + lane_column();
    LF_UNROLL
    for (int column = 0; column < K / 8; ++column)
      to[8 * column] = dq[column][2 * i], to[8 * column + 1] = dq[column][2 * i + 1];
  }
}

// Grid (queries of a sequence, H, B): adds the splits of one query, in their order.
template <int K>
__global__ void add_splits_kernel(const __grid_constant__ TileCall call, int64_t queries,
                                  const float* partials, bf16* dq) {
  const int b = static_cast<int>(blockIdx.z), h = static_cast<int>(blockIdx.y), i = tile_thread();
  const int position = static_cast<int>(blockIdx.x);
  if (position >= call.shape.globals(b) || i >= K) return;
  const int splits = dense_splits(call.shape.length(b), call.shape.globals(b));
  const int64_t row = call.shape.first_global(b) + position;
  const auto at = [&](int64_t n) { return (n * call.shape.H + h) * K + i; };
  float sum = 0;
  for (int split = 0; split < splits; ++split) sum += partials[at(split * queries + row)];
  dq[at(row)] = bf16(sum * call.scale);
}

}  // namespace

int64_t backward_queries_shared_bytes(int64_t K, bool relative) {
  int64_t bytes = 0;
  with_head_width(static_cast<int>(K), [&]<int Width>() {
    bytes = relative ? KeyWalkMemory<Width, kKeys<Width>, true>::kBytes
                     : KeyWalkMemory<Width, kKeys<Width>, false>::kBytes;
  });
  return bytes;
}

void tensor_core_backward_queries(const TileCall& call, const Tiles& tiles, TokenView<bf16> dq) {
  with_head_width(call.shape.K, [&]<int K>() {
    with_flags(call, [&]<bool Relative, bool Drops>() {
      lf::cuda::launch(query_gradient_kernel<K, Relative, Drops>, {tiles.of_head, call.shape.H, call.shape.B},
                       kTileThreads, KeyWalkMemory<K, kKeys<K>, Relative>::kBytes, call, dq);
    });
  });
}

void tensor_core_dense_backward_queries(const TileCall& call, const DenseGrid& grid, int64_t queries,
                                        bf16* dq) {
  if (queries == 0) return;
  const DeviceAttention& shape = call.shape;
  const int64_t count = queries * shape.H * shape.K;
  const Tensor partials = Tensor::empty({grid.splits, count}, DType::f32, Device::cuda);
  with_head_width(shape.K, [&]<int K>() {
    with_flags(call, [&]<bool, bool Drops>() {
      lf::cuda::launch(dense_query_gradient_kernel<K, Drops>, {grid.blocks, shape.H, shape.B}, kTileThreads,
                       KeyWalkMemory<K, kKeys<K>, false>::kBytes, call, queries,
                       partials.device_data<float>());
    });
    lf::cuda::launch(add_splits_kernel<K>, {shape.most_globals, shape.H, shape.B}, kTileThreads, 0, call,
                     queries, partials.device_data<float>(), dq);
  });
}

}  // namespace lf::kernels::cuda
