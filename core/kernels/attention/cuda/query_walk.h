// The walk of a block of 64 keys over the queries that see them, tile by tile, the mirror of
// key_walk.h: gives the scores, transposed, of a warp's 16 keys with a tile of queries.
//
// Relative positions: the products of queries and rows of r have the queries as rows, so the warps share a
// tile's queries out, and all read the products behind a barrier.
#pragma once

#include "core/kernels/attention/cuda/key_walk.h"

namespace lf::kernels::cuda {

// Which queries a block of keys walks.
enum class KeyBlock {
  band,     // keys of one residue class: the queries around them
  columns,  // listed global keys: every token
  dense,    // dense attention, any keys: the listed queries
};

// Queries of a tile: fewer where a row takes more registers and memory.
template <int K>
inline constexpr int kQueries = K <= 64 ? 64 : 32;

// Shared memory of a walk, in bytes from its beginning.
template <int K, int N, bool Relative>
struct QueryWalkMemory {
  static constexpr int kStride = kTile + 16 + 8;       // floats in a row of products with 64 + 16 distances
  static constexpr int kStage = 2 * tile_bytes<K>(N);  // q rows, dcontext rows
  static constexpr int kRing = 2 * kStage;
  static constexpr int kDiagonals = kRing + (Relative ? tile_bytes<K>(kRingRows<N>) : 0);
  static constexpr int kRingBias = kDiagonals + (Relative ? N * kStride * 4 : 0);
  static constexpr int kRows = kRingBias + (Relative ? kRingRows<N> * 4 : 0);  // lse and delta
  static constexpr int kKept = kRows + 2 * 2 * N * 4;                          // a warp's dropout bits
  static constexpr int kBytes = kKept + kTileWarps * N * 2;
};

template <int K, int N, bool Relative, KeyBlock Kind>
class QueryWalk {
 public:
  using Memory = QueryWalkMemory<K, N, Relative>;

  // `shared` is the walk's memory. Keys from position `start` on; queries [begin, end) of `queries`.
  __device__ QueryWalk(const TileCall& call, std::byte* shared, const Sequence& queries, int start, int begin,
                       int end)
      : call_(call), memory_(shared), queries_(queries), start_(start), begin_(begin), end_(end) {}

  __device__ int tiles() const { return end_ > begin_ ? (end_ - begin_ + N - 1) / N : 0; }
  __device__ int first(int tile) const { return begin_ + tile * N; }
  __device__ const std::byte* q_tile(int tile) const { return memory_ + tile % 2 * Memory::kStage; }
  __device__ const std::byte* dcontext_tile(int tile) const { return q_tile(tile) + tile_bytes<K>(N); }
  // In powers of two, infinite where a row has no gradient; and delta.
  __device__ const float* lse(int tile) const {
    return reinterpret_cast<const float*>(memory_ + Memory::kRows) + tile % 2 * 2 * N;
  }
  __device__ const float* delta(int tile) const { return lse(tile) + N; }

  // Starts to copy a tile; see KeyWalk.
  __device__ void load(int tile) {
    const int position = first(tile);
    std::byte* const stage = memory_ + tile % 2 * Memory::kStage;
    copy_rows<K, N>([&](int n, int chunk) {
      const bool has = position + n < end_;
      const int token = has ? queries_.token(position + n) : 0;
      const bool live = has && is_live(token);
      std::byte* const to = stage + chunk_offset<K>(n, chunk);
      lf::cuda::copy_async(to, query_row(has ? position + n : begin_, token) + 8 * chunk, has);
      lf::cuda::copy_async(to + tile_bytes<K>(N),
                           dcontext_row(has ? position + n : begin_, token) + 8 * chunk, live);
    });
    if (Relative) load_distances(tile);
    lf::cuda::commit_copies();
    fetch(tile);
  }

  __device__ void publish(int tile) {
    const int n = tile_thread();
    if (n < N) {
      auto* const rows = reinterpret_cast<float*>(memory_ + Memory::kRows) + tile % 2 * 2 * N;
      rows[n] = fetched_lse_, rows[N + n] = fetched_delta_;
    }
    if (Relative && n < distances_of(tile))
      ring_bias()[(first_distance(tile) + n) % kRingRows<N>] = fetched_distance_;
  }

  // The relative part of the tile's scores, for score_pair. The whole block takes part.
  __device__ void multiply_distances(int tile) const {
    if constexpr (Relative) {
      constexpr int kGroups = N / 16;
      const int group = tile_warp() % kGroups, row = lane_row(), column = lane_column();
      const WarpRows<K> queries(q_tile(tile), 16 * group);
      LF_NO_UNROLL
      for (int pair = tile_warp() / kGroups; pair < kTile / 16 + 1; pair += kTileWarps / kGroups) {
        float sums[2][4] = {};
        const int at = (tile * N + 16 * group + 16 * pair) % kRingRows<N>;
        queries.multiply(sums, memory_ + Memory::kRing, at);
        LF_UNROLL
        for (int i = 0; i < 8; ++i) {
          const int n = i / 4 * 8 + column + i % 2;
          products()[(16 * group + row + i % 4 / 2 * 8) * Memory::kStride + 16 * pair + n] =
              sums[i / 4][i % 4] + ring_bias()[at + n];
        }
      }
      __syncthreads();
    }
  }

  // Adds the relative part to the transposed scores of this warp's keys with queries 16 pair and on.
  __device__ void add_distances(int pair, float (&s)[2][4]) const {
    if constexpr (Relative) {
      LF_UNROLL
      for (int i = 0; i < 8; ++i) {
        const int query = i / 4 * 8 + lane_column() + i % 2,
                  key = 16 * tile_warp() + lane_row() + i % 4 / 2 * 8;
        s[i / 4][i % 4] += products()[(16 * pair + query) * Memory::kStride + query + kTile - 1 - key];
      }
    }
  }

  // The queries 16 pair and on of the tile, as bits, in whose window the warp's row `row` is.
  __device__ uint32_t visible(int tile, int pair, int row) const {
    if (Kind == KeyBlock::dense && call_.shape.causal) return later(tile, pair, row);
    if (Kind != KeyBlock::band) return 0xffffu;
    const int offset = start_ + kWarpRows * tile_warp() + row - first(tile) - 16 * pair;
    return static_cast<uint32_t>(columns_between(offset - call_.shape.right, offset + call_.shape.left));
  }
  // Whether this warp's keys are seen by the whole tile; and groups of 16 queries that may see some.
  __device__ bool is_whole(int tile) const {
    if (Kind == KeyBlock::dense && call_.shape.causal) return false;
    if (Kind != KeyBlock::band) return true;
    const int offset = start_ + 16 * tile_warp() - first(tile);
    return offset + 15 - call_.shape.right <= 0 && offset + call_.shape.left >= N - 1;
  }
  __device__ bool wants(int tile, int pair) const {
    if (Kind != KeyBlock::band) return true;
    const int offset = start_ + 16 * tile_warp() - first(tile);
    return 16 * pair + 15 >= offset - call_.shape.right && 16 * pair <= offset + 15 + call_.shape.left;
  }

  // Decides which pairs of the warp's 16 keys, from position `key` of `keys` on, and the tile's queries
  // dropout keeps; kept() then tells for a query the bits of the keys.
  __device__ void draw(int tile, const Sequence& keys, int key) const {
    __syncwarp();  // behind the last reader
    LF_UNROLL
    for (int n = tile_lane(); n < N; n += lf::cuda::kWarp) {
      uint32_t bits = 0;
      if (first(tile) + n < end_) {
        const int token = queries_.token(first(tile) + n);
        bits = kept_keys(call_.shape, call_.shape.dropout_row(b(), h(), token), keys, key, 16);
      }
      kept_words()[n] = static_cast<uint16_t>(bits);
    }
    __syncwarp();
  }
  __device__ uint32_t kept(int query) const { return kept_words()[query]; }

 private:
  static __device__ int b() { return static_cast<int>(blockIdx.z); }
  static __device__ int h() { return static_cast<int>(blockIdx.y); }
  // The queries 16 pair and on of the tile, as bits, that do not come before the warp's key of row `row`.
  __device__ uint32_t later(int tile, int pair, int row) const {
    const int key = start_ + kWarpRows * tile_warp() + row, from = first(tile) + 16 * pair;
    if (!queries_.list) return static_cast<uint32_t>(columns_between(key - from, 15));
    uint32_t bits = 0;
    LF_NO_UNROLL
    for (int n = 0; n < 16 && from + n < end_; ++n) bits |= uint32_t{queries_.token(from + n) >= key} << n;
    return bits;
  }
  __device__ const bf16* query_row(int position, int token) const {
    const int64_t head = int64_t{h()} * K;
    return Kind == KeyBlock::dense ? call_.q.row(call_.shape.first_global(b()) + position, head)
                                   : call_.q.row(call_.shape.row(b(), token), head);
  }
  __device__ const bf16* dcontext_row(int position, int token) const {
    const int64_t head = int64_t{h()} * K;
    return Kind == KeyBlock::dense ? call_.dcontext.row(call_.shape.first_global(b()) + position, head)
                                   : call_.dcontext.row(call_.shape.row(b(), token), head);
  }
  __device__ bool is_live(int token) const {
    return Kind == KeyBlock::dense ? token >= 0 : call_.shape.is_query(b(), token);
  }
  __device__ float* products() const { return reinterpret_cast<float*>(memory_ + Memory::kDiagonals); }
  __device__ float* ring_bias() const { return reinterpret_cast<float*>(memory_ + Memory::kRingBias); }
  __device__ uint16_t* kept_words() const {
    return reinterpret_cast<uint16_t*>(memory_ + Memory::kKept) + tile_warp() * N;
  }
  __device__ Distances<false> distances() const {
    return {call_, h(), queries_.step, begin_ - start_ - (kTile - 1)};
  }
  __device__ static int first_distance(int tile) { return tile == 0 ? 0 : tile * N + kTile; }
  __device__ static int distances_of(int tile) { return tile == 0 ? kTile + N : N; }

  __device__ void load_distances(int tile) {
    const Distances<false> from = distances();
    for (int n = 0; n < distances_of(tile); n += N) {
      const int x = first_distance(tile) + n, at = x % kRingRows<N>;
      copy_rows<K, N>([&](int row, int chunk) {
        const bf16* const r = from.template address<K>(x + row);
        lf::cuda::copy_async(memory_ + Memory::kRing + chunk_offset<K>(at + row, chunk),
                             r ? r + 8 * chunk : call_.r, r != nullptr);
      });
    }
  }

  __device__ void fetch(int tile) {
    const int n = tile_thread(), position = first(tile) + n;
    fetched_lse_ = kInfinite, fetched_delta_ = 0;
    if (n < N && position < end_) {
      const int token = queries_.token(position);
      const int64_t slot = Kind == KeyBlock::dense
                               ? int64_t{call_.shape.first_global(b()) + position} * call_.shape.H + h()
                               : call_.shape.slot(b(), h(), token);
      const float lse = call_.lse[slot];
      if (is_live(token) && lse != -kInfinite)
        fetched_lse_ = lse * kLog2OfE, fetched_delta_ = call_.delta[slot];
    }
    if (Relative && n < distances_of(tile)) fetched_distance_ = distances().bias(first_distance(tile) + n);
  }

  const TileCall& call_;
  std::byte* memory_;
  Sequence queries_;
  int start_, begin_, end_;
  float fetched_lse_ = 0, fetched_delta_ = 0, fetched_distance_ = 0;
};

}  // namespace lf::kernels::cuda
