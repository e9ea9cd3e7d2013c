// Window attention, backward, the gradients of relative positions: a block for each 64 distances of a head
// walks tiles of queries of the whole batch (a share of them: a split). Distances are columns, so the scores
// of content are read along diagonals, and dR = scale dS^T (Q + v) is one product over the tile's queries.
#include "core/cuda/launch.h"
#include "core/kernels/attention/cuda/tensor_cores.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::high_float;
using lf::cuda::low_float;

constexpr int kSpan = 2 * kTile;         // keys that 64 queries and 64 distances reach
constexpr int kStride = kTile + 16 + 8;  // floats in a row of products with the keys of 16 queries

// Shared memory, in bytes.
template <int K>
struct DistanceMemory {
  static constexpr int kQueries = 0, kDcontext = kQueries + tile_bytes<K>(kTile);
  static constexpr int kKeys = kDcontext + tile_bytes<K>(kTile), kValues = kKeys + tile_bytes<K>(kSpan);
  static constexpr int kDistances = kValues + tile_bytes<K>(kSpan);
  static constexpr int kGradients = kDistances + tile_bytes<K>(kTile);  // dS, 64 queries x 64 distances
  static constexpr int kProducts = kGradients + tile_bytes<kTile>(kTile);
  static constexpr int kKeyBias = kProducts + kTile * kStride * 4;  // -infinity: hidden
  static constexpr int kDistanceBias = kKeyBias + kSpan * 4;
  static constexpr int kBytes = kDistanceBias + kTile * 4;
};

template <int K>
class DistanceBlock {
 public:
  using Memory = DistanceMemory<K>;

  // Steps [first_step, first_step + 64) of head h.
  __device__ DistanceBlock(const TileCall& call, int first_step)
      : call_(call), memory_(lf::cuda::shared_memory()), first_step_(first_step) {}

  __device__ void load_distances() {
    const Distances<false> from{call_, h(), call_.shape.dilation(h()), first_step_};
    copy_rows<K, kTile>([&](int n, int chunk) {
      const bf16* const r = from.template address<K>(n);
      lf::cuda::copy_async(memory_ + Memory::kDistances + chunk_offset<K>(n, chunk),
                           r ? r + 8 * chunk : call_.r, r != nullptr);
    });
    const int n = tile_thread();
    if (n < kTile) floats(Memory::kDistanceBias)[n] = from.row(n) < 0 ? -kInfinite : from.bias(n);
  }

  // Whether any pair of a tile's queries and these distances exists.
  __device__ bool reaches(const Block& tile) const {
    return first_key(tile) < tile.tokens.length && first_key(tile) + kSpan - 1 > 0;
  }

  // Adds a tile of queries; all that the block holds is free again behind the next barrier.
  template <bool Drops>
  __device__ void add(const Block& tile, float (&dr)[K / 8][4], float (&sums)[2]) {
    load(tile);
    lf::cuda::wait_for_copies<0>();
    __syncthreads();
    gradients<Drops>(tile);
    __syncthreads();
    LF_NO_UNROLL
    for (int step = 0; step < kTile / 16; ++step) {
      uint32_t left[4];
      load_left_transposed<kTile>(left, memory_ + Memory::kGradients, step, 16 * tile_warp());
      LF_UNROLL
      for (int i = 0; i < 4; ++i) sums[i % 2] += low_float(left[i]) + high_float(left[i]);
      multiply_into<K>(dr, left, memory_ + Memory::kQueries, 16 * step);
    }
    __syncthreads();
  }

 private:
  static __device__ int h() { return static_cast<int>(blockIdx.y); }
  __device__ float* floats(int offset) const { return reinterpret_cast<float*>(memory_ + offset); }
  __device__ int first_key(const Block& tile) const { return tile.start - first_step_ - (kTile - 1); }

  __device__ void load(const Block& tile) {
    const int64_t head = int64_t{h()} * K, base = call_.shape.base(tile.b);
    copy_rows<K, kTile>([&](int n, int chunk) {
      const bool has = tile.tokens.has(tile.start + n);
      const int t = has ? tile.tokens.token(tile.start + n) : 0;
      std::byte* const to = memory_ + Memory::kQueries + chunk_offset<K>(n, chunk);
      lf::cuda::copy_async(to, call_.q.row(base + t, head) + 8 * chunk, has);
      lf::cuda::copy_async(to + Memory::kDcontext, call_.dcontext.row(base + t, head) + 8 * chunk,
                           has && call_.shape.is_query(tile.b, t));
    });
    copy_rows<K, kSpan>([&](int n, int chunk) {
      const bool has = tile.tokens.has(first_key(tile) + n);
      const int t = has ? tile.tokens.token(first_key(tile) + n) : 0;
      std::byte* const to = memory_ + Memory::kKeys + chunk_offset<K>(n, chunk);
      lf::cuda::copy_async(to, call_.k.row(base + t, head) + 8 * chunk, has);
      lf::cuda::copy_async(to + tile_bytes<K>(kSpan), call_.v.row(base + t, head) + 8 * chunk, has);
    });
    lf::cuda::commit_copies();
    const int n = tile_thread();
    static_assert(kSpan == kTileThreads);
    float bias = -kInfinite;
    if (tile.tokens.has(first_key(tile) + n)) {
      const int t = tile.tokens.token(first_key(tile) + n);
      if (call_.shape.kind(tile.b, t) == TokenKind::local) bias = call_.key_bias[slot(tile, t)];
    }
    floats(Memory::kKeyBias)[n] = bias;
  }

  __device__ int64_t slot(const Block& tile, int t) const { return call_.shape.slot(tile.b, h(), t); }

  // Products of this warp's 16 queries with rows of the keys that they reach, into shared memory.
  __device__ void multiply_span(const WarpRows<K>& rows, int tile_offset, const float* bias) const {
    float* const products = floats(Memory::kProducts) + 16 * tile_warp() * kStride;
    __syncwarp();  // behind the last reader
    LF_NO_UNROLL
    for (int pair = 0; pair < kTile / 16 + 1; ++pair) {
      float sums[2][4] = {};
      const int at = 16 * (tile_warp() + pair);
      rows.multiply(sums, memory_ + tile_offset, at);
      LF_UNROLL
      for (int i = 0; i < 8; ++i) {
        const int n = i / 4 * 8 + lane_column() + i % 2;
        products[(lane_row() + i % 4 / 2 * 8) * kStride + 16 * pair + n] =
            sums[i / 4][i % 4] + (bias ? bias[at + n] : 0.0f);
      }
    }
    __syncwarp();
  }
  // The product of a warp's row with the key at distance m.
  __device__ float product(int row, int m) const {
    return floats(Memory::kProducts)[(16 * tile_warp() + row) * kStride + row + kTile - 1 - m];
  }

  // dS of the tile's queries and the block's distances, rounded, into shared memory.
  template <bool Drops>
  __device__ void gradients(const Block& tile) const {
    float lse[2] = {kInfinite, kInfinite}, delta[2] = {};
    LF_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int position = tile.start + 16 * tile_warp() + lane_row() + 8 * i;
      const int t = tile.tokens.has(position) ? tile.tokens.token(position) : -1;
      if (t < 0 || !call_.shape.is_query(tile.b, t) || call_.lse[slot(tile, t)] == -kInfinite) continue;
      lse[i] = call_.lse[slot(tile, t)] * kLog2OfE, delta[i] = call_.delta[slot(tile, t)];
    }
    uint64_t kept[2] = {};
    if (Drops) draw(tile, kept);
    const WarpRows<K> queries(memory_ + Memory::kQueries);
    multiply_span(queries, Memory::kKeys, floats(Memory::kKeyBias));
    float p[kTile / 16][2][4];
    LF_UNROLL
    for (int pair = 0; pair < kTile / 16; ++pair) {
      LF_UNROLL
      for (int i = 0; i < 8; ++i) {
        const int m = 16 * pair + i / 4 * 8 + lane_column() + i % 2;
        p[pair][i / 4][i % 4] = product(lane_row() + i % 4 / 2 * 8, m) + floats(Memory::kDistanceBias)[m];
      }
      queries.multiply(p[pair], memory_ + Memory::kDistances, 16 * pair);
      LF_UNROLL
      for (int i = 0; i < 8; ++i) {
        float& value = p[pair][i / 4][i % 4];
        value = lf::cuda::exp2_fast(value * call_.scale_log2 - lse[i % 4 / 2]);
      }
    }
    multiply_span(WarpRows<K>(memory_ + Memory::kDcontext), Memory::kValues, nullptr);
    LF_UNROLL
    for (int pair = 0; pair < kTile / 16; ++pair) {
      LF_UNROLL
      for (int i = 0; i < 8; ++i) {
        const int m = 16 * pair + i / 4 * 8 + lane_column() + i % 2, row = i % 4 / 2;
        float dp = product(lane_row() + 8 * row, m);
        if (Drops) dp = kept[row] >> (kTile - 1 - m) & 1 ? dp * static_cast<float>(call_.shape.kept) : 0.0f;
        p[pair][i / 4][i % 4] *= dp - delta[row];
      }
      store_pair(pair, p[pair]);
    }
  }

  // Bit n: the key n steps after the farthest of the row's 64.
  __device__ void draw(const Block& tile, uint64_t (&kept)[2]) const {
    const int query = tile.start + 16 * tile_warp(), farthest = first_key(tile) + 16 * tile_warp();
    kept_rows<kTile>(
        call_.shape, tile.b, tile.tokens, [&](int row) { return farthest + row; },
        [&](int row) { return tile.tokens.token(query + row); }, kept);
  }

  __device__ void store_pair(int pair, const float (&sums)[2][4]) const {
    LF_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = 16 * tile_warp() + lane_row() + i % 2 * 8, chunk = 2 * pair + i / 2;
      const float* const from = sums[i / 2] + i % 2 * 2;
      *reinterpret_cast<uint32_t*>(memory_ + Memory::kGradients + chunk_offset<kTile>(row, chunk) +
                                   2 * lane_column()) = lf::cuda::pack_bf16(from[0], from[1]);
    }
  }

  const TileCall& call_;
  std::byte* memory_;
  int first_step_;
};

// Tiles of queries of a head: (b, residue, tile) in this order, as many for every sequence.
__device__ Block query_tile(const DeviceAttention& shape, int h, int tiles, int number) {
  const int D = shape.dilation(h), b = number / (D * tiles), residue = number / tiles % D;
  const int T = shape.length(b);
  return {b, h, {nullptr, residue, D, (T - residue + D - 1) / D}, number % tiles * kTile};
}

// Grid (tiles of distances x splits, H); partials (split, H, distance) of K + 1: the sums of dS Q and of dS.
template <int K, bool Drops>
__global__ __launch_bounds__(kTileThreads, 1) void distance_kernel(const __grid_constant__ TileCall call,
                                                                   int slots, int splits, float* partials) {
  const DeviceAttention& shape = call.shape;
  const int h = static_cast<int>(blockIdx.y), slot_tiles = slots / kTile;
  const int split = static_cast<int>(blockIdx.x) / slot_tiles;
  const int first_slot = static_cast<int>(blockIdx.x) % slot_tiles * kTile;
  DistanceBlock<K> block(call, first_slot - shape.right);
  block.load_distances();
  const int D = shape.dilation(h), tiles = ((shape.T + D - 1) / D + kTile - 1) / kTile;
  const int count = shape.B * D * tiles, share = (count + splits - 1) / splits;
  float dr[K / 8][4] = {}, sums[2] = {};
  for (int n = split * share; n < min(count, (split + 1) * share); ++n) {
    const Block tile = query_tile(shape, h, tiles, n);
    if (tile.start < tile.tokens.length && block.reaches(tile)) block.template add<Drops>(tile, dr, sums);
  }
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float sum = quad_sum(sums[i]);
    const int slot = first_slot + 16 * tile_warp() + lane_row() + 8 * i;
    float* const to = partials + ((int64_t{split} * shape.H + h) * slots + slot) * (K + 1);
    LF_UNROLL
    for (int column = 0; column < K / 8; ++column) {
      to[8 * column + lane_column()] = dr[column][2 * i];
      to[8 * column + lane_column() + 1] = dr[column][2 * i + 1];
    }
    if (tile_lane() % 4 == 0) to[K] = sum;
  }
}

// Grid (rows of r, H): adds a distance's partial sums in the order of the splits.
template <int K>
__global__ void add_distances_kernel(const __grid_constant__ TileCall call, int slots, int splits,
                                     const float* partials, const float* v, bf16* dr, float* distance_sums) {
  const int row = static_cast<int>(blockIdx.x), h = static_cast<int>(blockIdx.y), i = tile_thread();
  const int distance = row - call.zero_row, D = call.shape.dilation(h), step = distance / D;
  const bool used = distance % D == 0 && step <= call.shape.left && step >= -call.shape.right;
  float sum = 0, score = 0;
  for (int split = 0; used && split < splits; ++split) {
    const int64_t slot = (int64_t{split} * call.shape.H + h) * slots + step + call.shape.right;
    if (i < K) sum += partials[slot * (K + 1) + i];
    score += partials[slot * (K + 1) + K];
  }
  const int64_t at = int64_t{row} * call.shape.H + h;
  if (i < K) dr[at * K + i] = bf16((sum + score * v[h * K + i]) * call.scale);
  if (i == 0) distance_sums[at] = score * call.scale;
}

template <int K, bool Drops>
void launch_distances(const TileCall& call, int64_t tiles, const float* v, bf16* dr, float* distance_sums) {
  const DeviceAttention& shape = call.shape;
  const DistanceShares shares = distance_shares(shape.B, tiles, shape.left + shape.right + 1);
  const auto slots = static_cast<int>(shares.slots), splits = static_cast<int>(shares.splits);
  const Tensor partials = Tensor::empty({splits, shape.H, slots, K + 1}, DType::f32, Device::cuda);
  float* const sums = partials.device_data<float>();
  lf::cuda::launch(distance_kernel<K, Drops>, {slots / kTile * splits, shape.H}, kTileThreads,
                   DistanceMemory<K>::kBytes, call, slots, splits, sums);
  lf::cuda::launch(add_distances_kernel<K>, {call.rows, shape.H}, kTileThreads, 0, call, slots, splits, sums,
                   v, dr, distance_sums);
}

}  // namespace

int64_t backward_distances_shared_bytes(int64_t K) {
  int64_t bytes = 0;
  with_head_width(static_cast<int>(K), [&]<int Width>() { bytes = DistanceMemory<Width>::kBytes; });
  return bytes;
}

void tensor_core_backward_distances(const TileCall& call, const Tiles& tiles, const float* v, bf16* dr,
                                    float* distance_sums) {
  with_head_width(call.shape.K, [&]<int K>() {
    if (call.shape.dropout_threshold > 0) {
      launch_distances<K, true>(call, tiles.of_head, v, dr, distance_sums);
    } else {
      launch_distances<K, false>(call, tiles.of_head, v, dr, distance_sums);
    }
  });
}

}  // namespace lf::kernels::cuda
