// Window attention, backward, the gradients of keys and values: a block for each tile of 64 keys walks the
// queries that see them, with scores transposed, so that
//   dV += (P keep)^T dcontext,  dK += scale dS^T (Q + u)
// take P and dS from registers. Keys that every query sees (the global ones) are split over the queries.
#include "core/cuda/launch.h"
#include "core/kernels/attention/cuda/query_walk.h"
#include "core/kernels/attention/cuda/tensor_cores.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::exp2_fast;

// A lane's share of the sums over queries; dK and score without the factor scale.
template <int K>
struct KeySums {
  float dk[K / 8][4] = {}, dv[K / 8][4] = {};
  float score[2] = {};  // of dS, for each of the two rows
};

// Memory of the block: keys and values, then the walk.
template <int K, bool Relative>
struct KeyBlockMemory {
  static constexpr int kWalk = 2 * tile_bytes<K>(kTile);
  static constexpr int kBytes = kWalk + QueryWalkMemory<K, kQueries<K>, Relative>::kBytes;
};

// Starts to copy the block's keys and values.
template <int K>
__device__ void load_keys(const TileCall& call, const Block& block) {
  std::byte* const shared = lf::cuda::shared_memory();
  const int64_t base = call.shape.base(block.b);
  copy_rows<K, kTile>([&](int n, int chunk) {
    const bool has = block.tokens.has(block.start + n);
    const int64_t token = has ? block.tokens.token(block.start + n) : 0;
    const int64_t head = int64_t{block.h} * K;
    std::byte* const to = shared + chunk_offset<K>(n, chunk);
    lf::cuda::copy_async(to, call.k.row(base + token, head) + 8 * chunk, has);
    lf::cuda::copy_async(to + tile_bytes<K>(kTile), call.v.row(base + token, head) + 8 * chunk, has);
  });
  lf::cuda::commit_copies();
}

// The lane's two keys.
struct KeyRows {
  bool seen[2];
  float bias[2] = {};  // u . k
};

template <bool Edge, int K, int N, bool Walks, bool Drops, KeyBlock Kind>
__device__ void add_tile(const TileCall& call, const Block& block, const QueryWalk<K, N, Walks, Kind>& walk,
                         int tile, const WarpRows<K>& k, const WarpRows<K>& v, const KeyRows& keys,
                         KeySums<K>& sums) {
  if (Drops) walk.draw(tile, block.tokens, block.start + 16 * tile_warp());
  LF_NO_UNROLL
  for (int pair = 0; pair < N / 16; ++pair) {
    if (Edge && !walk.wants(tile, pair)) continue;
    uint32_t visible[2] = {};  // of the pair's 16 queries
    LF_UNROLL
    for (int i = 0; i < 2 && Edge; ++i) {
      if (keys.seen[i]) visible[i] = walk.visible(tile, pair, lane_row() + 8 * i);
    }
    float s[2][4] = {}, dp[2][4] = {};
    k.multiply(s, walk.q_tile(tile), 16 * pair);
    walk.add_distances(pair, s);
    v.multiply(dp, walk.dcontext_tile(tile), 16 * pair);
    LF_UNROLL
    for (int i = 0; i < 8; ++i) {
      const int row = i % 4 / 2, query = 16 * pair + i / 4 * 8 + lane_column() + i % 2;
      const float lse = walk.lse(tile)[query], delta = walk.delta(tile)[query];
      float& p = s[i / 4][i % 4];
      float& ds = dp[i / 4][i % 4];
      p = exp2_fast((p + keys.bias[row]) * call.scale_log2 - lse);
      if (Edge && (visible[row] >> (query - 16 * pair) & 1) == 0) p = 0;
      if (Drops) {
        const bool kept = (walk.kept(query) >> (lane_row() + 8 * row) & 1) != 0;
        ds = p * ((kept ? ds * static_cast<float>(call.shape.kept) : 0.0f) - delta);
        if (!kept) p = 0;
      } else {
        ds = p * (ds - delta);
      }
      sums.score[row] += ds;
    }
    uint32_t left[4];
    pack_left(left, s[0], s[1]);
    multiply_into<K>(sums.dv, left, walk.dcontext_tile(tile), 16 * pair);
    pack_left(left, dp[0], dp[1]);
    multiply_into<K>(sums.dk, left, walk.q_tile(tile), 16 * pair);
  }
}

// Walks the queries [begin, end) of a sequence.
template <int K, bool Walks, bool Drops, KeyBlock Kind>
__device__ void add_queries(const TileCall& call, const Block& block, const Sequence& queries, int begin,
                            int end, KeySums<K>& sums) {
  constexpr int N = kQueries<K>;
  std::byte* const shared = lf::cuda::shared_memory();
  QueryWalk<K, N, Walks, Kind> walk(call, shared + KeyBlockMemory<K, Walks>::kWalk, queries, block.start,
                                    begin, end);
  const int tiles = walk.tiles();
  if (tiles == 0) return;
  load_keys<K>(call, block);
  walk.load(0);
  KeyRows keys;
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int position = block.start + 16 * tile_warp() + lane_row() + 8 * i;
    const bool has = block.tokens.has(position);
    const int t = has ? block.tokens.token(position) : 0;
    const TokenKind kind = call.shape.kind(block.b, t);
    keys.seen[i] = has && (Kind == KeyBlock::band      ? kind == TokenKind::local
                           : Kind == KeyBlock::columns ? kind == TokenKind::global
                                                       : kind != TokenKind::padded);
    if (call.r) keys.bias[i] = call.key_bias[call.shape.slot(block.b, block.h, t)];
  }
  const bool all_seen =
      __ballot_sync(lf::cuda::kAllLanes, keys.seen[0] && keys.seen[1]) == lf::cuda::kAllLanes;
  walk.publish(0);
  lf::cuda::wait_for_copies<1>();
  __syncthreads();
  const WarpRows<K> k(shared), v(shared + tile_bytes<K>(kTile));
  for (int tile = 0; tile < tiles; ++tile) {
    lf::cuda::wait_for_copies<0>();
    __syncthreads();
    if (tile + 1 < tiles) walk.load(tile + 1);
    walk.multiply_distances(tile);
    if (all_seen && walk.is_whole(tile)) {
      add_tile<false, K, N, Walks, Drops, Kind>(call, block, walk, tile, k, v, keys, sums);
    } else {
      add_tile<true, K, N, Walks, Drops, Kind>(call, block, walk, tile, k, v, keys, sums);
    }
    if (tile + 1 < tiles) walk.publish(tile + 1);
  }
}

struct KeyOutput {
  TokenView<bf16> dk, dv;
  const float* u;   // (H, K) or null
  float* key_sums;  // (H, N) or null
};

template <int K>
__device__ void store_rows(bf16* dk, bf16* dv, const TileCall& call, int h, int i, const KeyOutput& out,
                           float score, const KeySums<K>& sums) {
  const auto kept = static_cast<float>(call.shape.kept);
  LF_UNROLL
  for (int column = 0; column < K / 8; ++column) {
    const int at = 8 * column + lane_column();
    float low = sums.dk[column][2 * i], high = sums.dk[column][2 * i + 1];
    if (out.u) low += score * out.u[h * K + at], high += score * out.u[h * K + at + 1];
    *reinterpret_cast<uint32_t*>(dk + at) = lf::cuda::pack_bf16(low * call.scale, high * call.scale);
    *reinterpret_cast<uint32_t*>(dv + at) =
        lf::cuda::pack_bf16(sums.dv[column][2 * i] * kept, sums.dv[column][2 * i + 1] * kept);
  }
}

// Stores the block's keys, global ones only where they have no kernel of their own.
template <int K>
__device__ void store(const TileCall& call, const Block& block, bool global_too, const KeyOutput& out,
                      const KeySums<K>& sums) {
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float score = quad_sum(sums.score[i]);
    const int position = block.start + kWarpRows * tile_warp() + lane_row() + 8 * i;
    if (!block.tokens.has(position)) continue;
    const int t = block.tokens.token(position);
    if (!global_too && call.shape.kind(block.b, t) == TokenKind::global) continue;
    const int64_t head = int64_t{block.h} * K, row = call.shape.row(block.b, t);
    store_rows<K>(out.dk.row(row, head), out.dv.row(row, head), call, block.h, i, out, score, sums);
    if (out.key_sums && tile_lane() % 4 == 0)
      out.key_sums[call.shape.slot(block.b, block.h, t)] = score * call.scale;
  }
}

// Grid (tiles, H, B): the keys that are not global.
template <int K, bool Relative, bool Drops>
__global__ __launch_bounds__(kTileThreads,
                             1) void key_gradient_kernel(const __grid_constant__ TileCall call,
                                                         const __grid_constant__ KeyOutput out) {
  Block block;
  if (!find_block(call.shape, block)) return;
  const int last = min(block.start + kTile, block.tokens.length) - 1;
  KeySums<K> sums;
  add_queries<K, Relative, Drops, KeyBlock::band>(call, block, block.tokens,
                                                  max(0, block.start - call.shape.right),
                                                  min(block.tokens.length, last + call.shape.left + 1), sums);
  store<K>(call, block, false, out, sums);
}

// Dense attention, grid (tiles of keys, H, B): every key, and the listed queries.
template <int K, bool Drops>
__global__ __launch_bounds__(kTileThreads,
                             1) void dense_key_gradient_kernel(const __grid_constant__ TileCall call,
                                                               const __grid_constant__ KeyOutput out) {
  const int b = static_cast<int>(blockIdx.z);
  const Block block{b,
                    static_cast<int>(blockIdx.y),
                    {nullptr, 0, 1, call.shape.length(b)},
                    static_cast<int>(blockIdx.x) * kTile};
  if (block.start >= block.tokens.length) return;
  const Sequence queries = global_sequence(call.shape, block.b);
  KeySums<K> sums;
  // Where queries stand at 0, 1, ..., those before a causal block see none of it.
  const int begin = call.shape.causal && !queries.list ? min(block.start, queries.length) : 0;
  add_queries<K, false, Drops, KeyBlock::dense>(call, block, queries, begin, queries.length, sums);
  store<K>(call, block, true, out, sums);
}

// Partial sums of global keys: for (split, b, h, listed key, padded to whole tiles) dk and dv (K each) and
// score.
template <int K>
constexpr int kPartialWidth = 2 * K + 1;
__device__ int64_t partial_row(const DeviceAttention& shape, int split, int b, int h, int rows, int key) {
  return ((int64_t{split} * shape.B + b) * shape.H + h) * rows + key;
}

// Grid (key tiles x splits, H, B); a sequence has its own number of splits.
template <int K, bool Drops>
__global__ __launch_bounds__(kTileThreads, 1) void column_kernel(const __grid_constant__ TileCall call,
                                                                 int rows, float* partials) {
  const int tiles = rows / kTile, split = static_cast<int>(blockIdx.x) / tiles;
  const int length = call.shape.length(static_cast<int>(blockIdx.z)), share = split_length(length);
  const Block block{static_cast<int>(blockIdx.z), static_cast<int>(blockIdx.y),
                    global_sequence(call.shape, static_cast<int>(blockIdx.z)),
                    static_cast<int>(blockIdx.x) % tiles * kTile};
  if (block.start >= block.tokens.length || split * share >= length) return;
  KeySums<K> sums;
  add_queries<K, false, Drops, KeyBlock::columns>(call, block, Sequence{nullptr, 0, 1, length}, split * share,
                                                  min(length, (split + 1) * share), sums);
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float score = quad_sum(sums.score[i]);
    const int key = block.start + 16 * tile_warp() + lane_row() + 8 * i;
    float* const to =
        partials + partial_row(call.shape, split, block.b, block.h, rows, key) * kPartialWidth<K>;
    LF_UNROLL
    for (int column = 0; column < K / 8; ++column) {
      LF_UNROLL
      for (int j = 0; j < 2; ++j) {
        const int at = 8 * column + lane_column() + j;
        to[at] = sums.dk[column][2 * i + j], to[K + at] = sums.dv[column][2 * i + j];
      }
    }
    if (tile_lane() % 4 == 0) to[2 * K] = score;
  }
}

// Grid (listed keys, H, B): adds the partial sums of a key in the order of the splits.
template <int K>
__global__ void add_columns_kernel(const __grid_constant__ TileCall call, int rows, const float* partials,
                                   KeyOutput out) {
  const int b = static_cast<int>(blockIdx.z), h = static_cast<int>(blockIdx.y),
            key = static_cast<int>(blockIdx.x);
  const Sequence keys = global_sequence(call.shape, b);
  if (key >= keys.length) return;
  const int t = keys.token(key), i = tile_thread();
  if (call.shape.kind(b, t) != TokenKind::global)
    return;  // padded: not a key, its gradients are zeros already
  const int splits = splits_of(call.shape.length(b));
  float dk = 0, dv = 0, score = 0;
  for (int split = 0; split < splits; ++split) {
    const float* const from = partials + partial_row(call.shape, split, b, h, rows, key) * kPartialWidth<K>;
    if (i < K) dk += from[i], dv += from[K + i];
    score += from[2 * K];
  }
  if (i < K) {
    if (out.u) dk += score * out.u[h * K + i];
    out.dk.row(call.shape.row(b, t), int64_t{h} * K)[i] = bf16(dk * call.scale);
    out.dv.row(call.shape.row(b, t), int64_t{h} * K)[i] = bf16(dv * static_cast<float>(call.shape.kept));
  }
  if (out.key_sums && i == 0) out.key_sums[call.shape.slot(b, h, t)] = score * call.scale;
}

template <int K, bool Drops>
void launch_columns(const TileCall& call, int splits, const KeyOutput& out) {
  const DeviceAttention& shape = call.shape;
  const int rows = (shape.most_globals + kTile - 1) / kTile * kTile;
  const Tensor partials =
      Tensor::empty({splits, shape.B, shape.H, rows, kPartialWidth<K>}, DType::f32, Device::cuda);
  float* const sums = partials.device_data<float>();
  lf::cuda::launch(column_kernel<K, Drops>, {rows / kTile * splits, shape.H, shape.B}, kTileThreads,
                   KeyBlockMemory<K, false>::kBytes, call, rows, sums);
  lf::cuda::launch(add_columns_kernel<K>, {shape.most_globals, shape.H, shape.B}, kTileThreads, 0, call, rows,
                   sums, out);
}

}  // namespace

int64_t backward_keys_shared_bytes(int64_t K, bool relative) {
  int64_t bytes = 0;
  with_head_width(static_cast<int>(K), [&]<int Width>() {
    bytes = relative ? KeyBlockMemory<Width, true>::kBytes : KeyBlockMemory<Width, false>::kBytes;
  });
  return bytes;
}

void tensor_core_backward_keys(const TileCall& call, const Tiles& tiles, const float* u, TokenView<bf16> dk,
                               TokenView<bf16> dv, float* key_sums) {
  const KeyOutput out{dk, dv, u, key_sums};
  with_head_width(call.shape.K, [&]<int K>() {
    with_flags(call, [&]<bool Relative, bool Drops>() {
      lf::cuda::launch(key_gradient_kernel<K, Relative, Drops>, {tiles.of_head, call.shape.H, call.shape.B},
                       kTileThreads, KeyBlockMemory<K, Relative>::kBytes, call, out);
      if (call.shape.most_globals > 0) launch_columns<K, Drops>(call, tiles.splits, out);
    });
  });
}

void tensor_core_dense_backward_keys(const TileCall& call, TokenView<bf16> dk, TokenView<bf16> dv) {
  const KeyOutput out{dk, dv, nullptr, nullptr};
  with_head_width(call.shape.K, [&]<int K>() {
    with_flags(call, [&]<bool, bool Drops>() {
      lf::cuda::launch(dense_key_gradient_kernel<K, Drops>,
                       {tiles_of_head(call.shape.T, 1), call.shape.H, call.shape.B}, kTileThreads,
                       KeyBlockMemory<K, false>::kBytes, call, out);
    });
  });
}

}  // namespace lf::kernels::cuda
