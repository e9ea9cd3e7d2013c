// Window attention, forward, in bf16 on tensor cores: a block for each tile of 64 queries of one residue
// class of the head's dilation, one pass over its keys with the softmax rescaled as the largest score grows
// (Milakov & Gimelshein 2018; Dao et al. 2022), in powers of two.
#include "core/cuda/launch.h"
#include "core/kernels/attention/cuda/key_tiles.h"
#include "core/kernels/attention/cuda/key_walk.h"
#include "core/kernels/attention/cuda/tensor_cores.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::exp2_fast;

// The running softmax of a lane's two rows: largest score, sum of exponentials (this lane's columns), and the
// weighted sum of values.
template <int K>
struct RunningContext {
  float maximum[2] = {-kInfinite, -kInfinite};
  float sum[2] = {};
  float context[K / 8][4] = {};
};

// Scores become exponentials relative to the new maximum; what was summed so far is rescaled.
template <int K, int N>
__device__ void exponentiate(float scale_log2, float (&s)[N / 16][2][4], RunningContext<K>& running) {
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    float maximum = running.maximum[i];
    LF_UNROLL
    for (int n = 0; n < N / 8; ++n)
      maximum = fmaxf(maximum, fmaxf(s[n / 2][n % 2][2 * i], s[n / 2][n % 2][2 * i + 1]));
    maximum = quad_max(maximum);
    const float base = maximum == -kInfinite ? 0.0f : maximum * scale_log2;  // no key yet: all stays zero
    const float rescale = exp2_fast(running.maximum[i] * scale_log2 - base);
    running.maximum[i] = maximum;
    float sum = 0;
    LF_UNROLL
    for (int n = 0; n < N / 4; ++n) {
      float& e = s[n / 4][n / 2 % 2][2 * i + n % 2];
      e = exp2_fast(e * scale_log2 - base);
      sum += e;
    }
    running.sum[i] = running.sum[i] * rescale + sum;
    LF_UNROLL
    for (int column = 0; column < K / 8; ++column) {
      running.context[column][2 * i] *= rescale;
      running.context[column][2 * i + 1] *= rescale;
    }
  }
}

// Adds a tile to the running softmax; Edge: some of it is hidden.
template <bool Edge, int K, int N, bool Relative, bool Drops, class Token>
__device__ void add_tile(const TileCall& call, const KeyWalk<K, N, Relative>& walk, int tile, uint64_t seen,
                         const LeftRows<K>& queries, Token&& token, RunningContext<K>& running) {
  const auto wanted = walk.pairs(tile);
  float s[N / 16][2][4];
  walk.template multiply_distances<Edge>(tile, wanted, queries);
  LF_UNROLL
  for (int pair = 0; pair < N / 16; ++pair) {
    if (!Edge || wanted.has(pair)) walk.score_pair(tile, pair, queries, s[pair]);
  }
  uint64_t bits[2];
  if (Edge) {
    walk.visible_rows(tile, seen, bits);
    LF_UNROLL
    for (int pair = 0; pair < N / 16; ++pair) replace_unset(s[pair], pair, bits, -kInfinite);
  }
  exponentiate<K, N>(call.scale_log2, s, running);
  if (Drops) {
    kept_rows<N>(
        call.shape, static_cast<int>(blockIdx.z), walk.sequence(tile), [&](int) { return walk.first(tile); },
        token, bits);
    LF_UNROLL
    for (int pair = 0; pair < N / 16; ++pair) replace_unset(s[pair], pair, bits, 0.0f);
  }
  LF_UNROLL
  for (int pair = 0; pair < N / 16; ++pair) {
    if (Edge && !wanted.has(pair)) continue;
    uint32_t p[4];
    pack_left(p, s[pair][0], s[pair][1]);
    multiply_into<K>(running.context, p, walk.v_tile(tile), 16 * pair);
  }
}

template <bool Drops, int K, int N, bool Relative, class Token>
__device__ void add_tiles(const TileCall& call, KeyWalk<K, N, Relative>& walk, const LeftRows<K>& queries,
                          Token&& token, RunningContext<K>& running) {
  for_each_seen_tile(walk, [&]<bool Edge>(int tile, uint64_t seen) {
    add_tile<Edge, K, N, Relative, Drops>(call, walk, tile, seen, queries, token, running);
  });
}

struct ForwardOutput {
  TokenView<bf16> context;
  float* lse;
};

// Writes the lane's two rows.
template <int K>
__device__ void store(const TileCall& call, const ForwardOutput& out, const RunningContext<K>& running) {
  Block block;
  find_block(call.shape, block);  // again: kept through the walk, it would take registers
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float sum = quad_sum(running.sum[i]);
    const int position = block.start + kWarpRows * tile_warp() + lane_row() + 8 * i;
    if (!block.tokens.has(position)) continue;
    const int t = block.tokens.token(position);
    const bool live = sum != 0 && call.shape.is_query(block.b, t);  // NaN lives
    const float factor = live ? static_cast<float>(call.shape.kept) / sum : 0.0f;
    bf16* const to = out.context.row(call.shape.row(block.b, t), int64_t{block.h} * K) + lane_column();
    LF_UNROLL
    for (int column = 0; column < K / 8; ++column) {
      const float* const c = running.context[column] + 2 * i;
      *reinterpret_cast<uint32_t*>(to + 8 * column) =
          live ? lf::cuda::pack_bf16(c[0] * factor, c[1] * factor) : 0u;
    }
    if (tile_lane() % 4 == 0) {
      out.lse[call.shape.slot(block.b, block.h, t)] =
          live ? running.maximum[i] * call.scale + logf(sum) : -kInfinite;
    }
  }
}

template <int K, bool Relative, bool Drops>
__global__ __launch_bounds__(kTileThreads) void forward_kernel(const __grid_constant__ TileCall call,
                                                               const __grid_constant__ ForwardOutput out) {
  Block block;
  if (!find_block(call.shape, block)) return;
  const int last = min(block.start + kTile, block.tokens.length) - 1;
  KeyWalk<K, kKeys<K>, Relative> walk(call, global_sequence(call.shape, block.b), block.tokens, block.start,
                                      max(0, block.start - call.shape.left),
                                      min(block.tokens.length, last + call.shape.right + 1), true);
  walk.load(0);
  const int first = block.start + kWarpRows * tile_warp();
  const bf16* const q = call.q.row(call.shape.base(block.b), int64_t{block.h} * K);
  const auto query_row = [&](int position) {
    return block.tokens.has(position) ? q + block.tokens.token(position) * call.q.token_stride : nullptr;
  };
  LeftRows<K> queries;
  read_left<K>(queries, query_row(first + lane_row()), query_row(first + lane_row() + 8));
  walk.publish(0);
  RunningContext<K> running;
  const auto token = [&](int n) { return block.tokens.token(first + n); };
  add_tiles<Drops>(call, walk, queries, token, running);
  store<K>(call, out, running);
}

// --- dense attention: queries are the listed ones; each split of the keys gives a partial result ---

// Of one query and head: the sums over a split's keys, the largest score and the sum of exponentials.
template <int K>
constexpr int kPartialWidth = K + 2;

template <int K, bool Drops>
__global__ __launch_bounds__(kTileThreads, 1) void dense_forward_kernel(const __grid_constant__ TileCall call,
                                                                        int64_t queries, float* partials) {
  DenseBlock dense;
  if (!find_dense_block(call, dense)) return;
  const Block& block = dense.block;
  const Sequence all{nullptr, 0, 1, call.shape.length(dense.block.b)};
  KeyWalk<K, kKeys<K>, false> walk(call, block.tokens, all, block.start, dense.begin, dense.end, false);
  walk.load(0);
  const int first = block.start + kWarpRows * tile_warp();
  const auto query_row = [&](int position) {
    const int64_t row = call.shape.first_global(block.b) + position;
    return block.tokens.has(position) ? call.q.row(row, int64_t{block.h} * K) : nullptr;
  };
  LeftRows<K> rows;
  read_left<K>(rows, query_row(first + lane_row()), query_row(first + lane_row() + 8));
  walk.publish(0);
  RunningContext<K> running;
  const auto token = [&](int n) { return block.tokens.has(first + n) ? block.tokens.token(first + n) : 0; };
  add_tiles<Drops>(call, walk, rows, token, running);
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float sum = quad_sum(running.sum[i]);
    const int position = first + lane_row() + 8 * i;
    if (!block.tokens.has(position)) continue;
    float* const to = partials + dense.partial(call.shape, queries, position) * kPartialWidth<K>;
    LF_UNROLL
    for (int column = 0; column < K / 8; ++column) {
      to[8 * column + lane_column()] = running.context[column][2 * i];
      to[8 * column + lane_column() + 1] = running.context[column][2 * i + 1];
    }
    if (tile_lane() % 4 == 0) to[K] = running.maximum[i], to[K + 1] = sum;
  }
}

// Grid (queries of a sequence, H, B): the splits of one query, in their order.
template <int K>
__global__ void combine_kernel(const __grid_constant__ TileCall call, int64_t queries, const float* partials,
                               ForwardOutput out) {
  const int b = static_cast<int>(blockIdx.z), h = static_cast<int>(blockIdx.y), i = tile_thread();
  const int position = static_cast<int>(blockIdx.x);
  if (position >= call.shape.globals(b)) return;
  const int splits = dense_splits(call.shape.length(b), call.shape.globals(b));
  const int64_t row = call.shape.first_global(b) + position;
  const auto partial = [&](int split) {
    return partials + ((split * queries + row) * call.shape.H + h) * kPartialWidth<K>;
  };
  float maximum = -kInfinite, sum = 0, context = 0;
  for (int split = 0; split < splits; ++split) maximum = fmaxf(maximum, partial(split)[K]);
  const float base = maximum == -kInfinite ? 0.0f : maximum;  // of no key, or of NaN, which fmaxf passes over
  for (int split = 0; split < splits; ++split) {
    const float* const from = partial(split);
    const float weight = exp2_fast((from[K] - base) * call.scale_log2);
    sum += weight * from[K + 1];
    if (i < K) context += weight * from[i];
  }
  const bool live = sum != 0 && global_sequence(call.shape, b).token(position) >= 0;
  const float factor = live ? static_cast<float>(call.shape.kept) / sum : 0.0f;
  if (i < K) out.context.row(row, int64_t{h} * K)[i] = bf16(live ? context * factor : 0.0f);
  if (i == 0) out.lse[row * call.shape.H + h] = live ? maximum * call.scale + logf(sum) : -kInfinite;
}

template <int K, bool Drops>
void launch_dense_forward(const TileCall& call, const DenseGrid& grid, int64_t queries,
                          const ForwardOutput& out) {
  const DeviceAttention& shape = call.shape;
  const Tensor partials =
      Tensor::empty({grid.splits, queries, shape.H, kPartialWidth<K>}, DType::f32, Device::cuda);
  lf::cuda::launch(dense_forward_kernel<K, Drops>, {grid.blocks, shape.H, shape.B}, kTileThreads,
                   KeyWalkMemory<K, kKeys<K>, false>::kBytes, call, queries, partials.device_data<float>());
  lf::cuda::launch(combine_kernel<K>, {shape.most_globals, shape.H, shape.B}, kTileThreads, 0, call, queries,
                   partials.device_data<float>(), out);
}

template <int K>
void launch_forward(const TileCall& call, const lf::cuda::Grid& grid, const ForwardOutput& out) {
  with_flags(call, [&]<bool Relative, bool Drops>() {
    lf::cuda::launch(forward_kernel<K, Relative, Drops>, grid, kTileThreads,
                     KeyWalkMemory<K, kKeys<K>, Relative>::kBytes, call, out);
  });
}

}  // namespace

int64_t forward_shared_bytes(int64_t K, bool relative) {
  int64_t bytes = 0;
  with_head_width(static_cast<int>(K), [&]<int Width>() {
    bytes = relative ? KeyWalkMemory<Width, kKeys<Width>, true>::kBytes
                     : KeyWalkMemory<Width, kKeys<Width>, false>::kBytes;
  });
  return bytes;
}

void tensor_core_forward(const TileCall& call, const Tiles& tiles, TokenView<bf16> context, float* lse) {
  with_head_width(call.shape.K, [&]<int K>() {
    launch_forward<K>(call, {tiles.of_head, call.shape.H, call.shape.B}, {context, lse});
  });
}

void tensor_core_dense_forward(const TileCall& call, const DenseGrid& grid, int64_t queries,
                               TokenView<bf16> context, float* lse) {
  if (queries == 0) return;
  with_head_width(call.shape.K, [&]<int K>() {
    with_flags(call, [&]<bool, bool Drops>() {
      launch_dense_forward<K, Drops>(call, grid, queries, {context, lse});
    });
  });
}

}  // namespace lf::kernels::cuda
