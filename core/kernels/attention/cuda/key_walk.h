// The walk of a block of queries over its keys, tile by tile: the listed global keys first, then the band.
// Tiles are copied while the one before is worked on. Gives the scores of a warp's 16 queries with a tile.
//
// Relative positions: score_ij needs (q_i + v) . r[i - j]. For a warp's 16 queries and a tile of N keys these
// are N + 15 distances, so the warp multiplies its queries with that many rows of r (a slice of a ring in
// shared memory, as each tile needs N new ones), and reads the products along diagonals. u . k_j and v . r
// are computed once for all queries (TileCall).
#pragma once

#include "core/kernels/attention/cuda/tiles.h"

namespace lf::kernels::cuda {

struct TileCall {
  DeviceAttention shape;
  TokenView<const bf16> q, k, v;
  float scale = 1;       // of scores
  float scale_log2 = 1;  // the same times log2(e)

  const bf16* r = nullptr;  // (rows, H, K)
  int rows = 0, zero_row = 0;
  const float* key_bias = nullptr;       // (H, N): u . k
  const float* distance_bias = nullptr;  // (H, rows): v . r

  TokenView<const bf16> context, dcontext;
  const float* lse = nullptr;
  float* delta = nullptr;  // like lse: rowsum(dcontext * context), 0 where lse is -inf
};

// The rows of r that a band of pairs needs: index x stands for the distance of x steps down (Descending) or
// up from `start`.
template <bool Descending>
struct Distances {
  const TileCall& call;
  int h, D, start;

  __device__ int row(int x) const {  // -1: outside the window
    const int step = Descending ? start - x : start + x;
    const int64_t row = call.zero_row + int64_t{step} * D;
    const bool reached = step <= call.shape.left && step >= -call.shape.right;
    return reached && row >= 0 && row < call.rows ? static_cast<int>(row) : -1;
  }
  template <int K>
  __device__ const bf16* address(int x) const {
    const int at = row(x);
    return at < 0 ? nullptr : call.r + (int64_t{at} * call.shape.H + h) * K;
  }
  __device__ float bias(int x) const {
    const int at = row(x);
    return at < 0 ? 0.0f : call.distance_bias[int64_t{h} * call.rows + at];
  }
};

// Rows of the ring for a block's 64 rows and tiles of N.
template <int N>
inline constexpr int kRingRows = kTile + 2 * N;
// Floats in a row of a warp's products with the ring: N + 16 distances, padded against bank conflicts.
template <int N>
inline constexpr int kDiagonalStride = N + 16 + 8;
// Keys of a tile: fewer where a row takes more registers.
template <int K>
inline constexpr int kKeys = K <= 64 ? 64 : 32;

// Shared memory of a walk, in bytes from its beginning.
template <int K, int N, bool Relative>
struct KeyWalkMemory {
  static constexpr int kStage = 2 * tile_bytes<K>(N);  // K rows, V rows
  static constexpr int kRing = 2 * kStage;
  static constexpr int kDiagonals = kRing + (Relative ? tile_bytes<K>(kRingRows<N>) : 0);
  static constexpr int kColumnBias = kDiagonals + (Relative ? kTile * kDiagonalStride<N> * 4 : 0);
  static constexpr int kRingBias = kColumnBias + (Relative ? 2 * N * 4 : 0);
  static constexpr int kSeen = kRingBias + (Relative ? kRingRows<N> * 4 : 0);
  static constexpr int kBytes = kSeen + 2 * 8;
};

template <int K, int N, bool Relative>
class KeyWalk {
 public:
  using Memory = KeyWalkMemory<K, N, Relative>;

  // A block (grid (x, H, B)) of queries from position `start` on of `keys`, which they see in [begin, end)
  // within the window (`banded`) or all of it, if causal up to their token in `listed`; where there is a
  // window, they see the tokens of `listed` before that.
  __device__ KeyWalk(const TileCall& call, const Sequence& listed, const Sequence& keys, int start, int begin,
                     int end, bool banded)
      : call_(call),
        list_(listed.list),
        listed_(banded ? listed.length : 0),
        queries_(listed.length),
        first_(keys.first),
        step_(keys.step),
        start_(start),
        begin_(begin),
        end_(end),
        banded_(banded) {}

  __device__ int tiles() const { return listed_tiles() + (end_ > begin_ ? (end_ - begin_ + N - 1) / N : 0); }
  __device__ bool is_listed(int tile) const { return tile * N < listed_; }
  // By value, field by field: a reference to one of two would put both into local memory.
  __device__ Sequence sequence(int tile) const {
    const bool listed = is_listed(tile);
    return {listed ? list_ : nullptr, listed ? 0 : first_, listed ? 1 : step_, listed ? listed_ : end_};
  }
  // The position of the tile's first key in its sequence.
  __device__ int first(int tile) const {
    return is_listed(tile) ? tile * N : begin_ + (tile - listed_tiles()) * N;
  }
  __device__ const std::byte* k_tile(int tile) const {
    return lf::cuda::shared_memory() + tile % 2 * Memory::kStage;
  }
  __device__ const std::byte* v_tile(int tile) const { return k_tile(tile) + tile_bytes<K>(N); }
  __device__ const std::byte* ring() const { return lf::cuda::shared_memory() + Memory::kRing; }
  // This warp's 16 rows of N + 16 products.
  __device__ float* diagonals() const {
    return reinterpret_cast<float*>(lf::cuda::shared_memory() + Memory::kDiagonals) +
           tile_warp() * 16 * kDiagonalStride<N>;
  }

  // Starts to copy a tile. publish() must follow, before the barrier behind which the tile is used and after
  // the work on the tile before.
  __device__ void load(int tile) {
    const Sequence from = sequence(tile);
    const int position = first(tile);
    const int64_t base = call_.shape.base(b());
    const bf16* const k = call_.k.row(base, int64_t{h()} * K);
    const bf16* const v = call_.v.row(base, int64_t{h()} * K);
    std::byte* const stage = lf::cuda::shared_memory() + tile % 2 * Memory::kStage;
    copy_rows<K, N>([&](int n, int chunk) {
      const bool valid = position + n < from.length;
      const int64_t token = valid ? from.token(position + n) : 0;
      std::byte* const to = stage + chunk_offset<K>(n, chunk);
      lf::cuda::copy_async(to, k + token * call_.k.token_stride + 8 * chunk, valid);
      lf::cuda::copy_async(to + tile_bytes<K>(N), v + token * call_.v.token_stride + 8 * chunk, valid);
    });
    if (Relative && !is_listed(tile)) load_distances(tile);
    lf::cuda::commit_copies();
    fetch(tile, position, from.length);
  }

  __device__ void publish(int tile) {
    const int n = tile_thread();
    if (n < N) {
      const unsigned word = __ballot_sync(lf::cuda::kAllLanes, fetched_seen_);
      if (tile_lane() == 0) seen_words(tile)[n / 32] = word;
      if (Relative) column_bias(tile)[n] = fetched_column_;
    }
    if (Relative && !is_listed(tile)) {
      const int x = first_distance(tile) + n;
      if (n < distances_of(tile)) ring_bias()[x % kRingRows<N>] = fetched_distance_;
    }
  }

  // The tile's keys that any query may see.
  __device__ uint64_t seen(int tile) const {
    return N == 32 ? seen_words(tile)[0] : seen_words(tile)[0] | uint64_t{seen_words(tile)[1]} << 32;
  }
  // The keys of the band that this warp's row `row` sees, of those in `seen`.
  __device__ uint64_t visible(int tile, uint64_t seen, int row) const {
    if (is_listed(tile)) return seen;
    const int position = start_ + tile_warp() * 16 + row;
    if (!banded_) {
      if (!call_.shape.causal || position >= queries_) return seen;
      return seen & columns_between(0, (list_ ? list_[position] : position) - first(tile));
    }
    const int offset = position - first(tile);
    return seen & columns_between(offset - call_.shape.left, offset + call_.shape.right);
  }
  // Whether all of the warp's rows see all of the tile.
  __device__ bool is_whole(int tile, uint64_t seen) const {
    if (seen != ~uint64_t{0} >> (64 - N)) return false;
    if (is_listed(tile) || !banded_) return banded_ || !call_.shape.causal;
    const int offset = start_ + tile_warp() * 16 - first(tile);
    return offset + 15 - call_.shape.left <= 0 && offset + call_.shape.right >= N - 1;
  }
  // Groups of 16 keys that some row of the warp may see: [low, high).
  struct Pairs {
    int low, high;
    __device__ bool has(int pair) const { return pair >= low && pair < high; }
  };
  __device__ Pairs pairs(int tile) const {
    if (is_listed(tile) || !banded_) return {0, N / 16};
    const int offset = start_ + tile_warp() * 16 - first(tile);
    const int low = offset - call_.shape.left, high = offset + 15 + call_.shape.right;
    return {low <= 0 ? 0 : low / 16, high < 0 ? 0 : high / 16 + 1};
  }

  // The relative part of the tile's scores, for score_pair. All lanes take part, here and below.
  template <bool Edge>
  __device__ void multiply_distances(int tile, const Pairs& wanted, const LeftRows<K>& queries) const {
    if (!Relative || is_listed(tile)) return;
    float* const products = diagonals();
    const int row = lane_row(), column = lane_column();
    __syncwarp();  // behind the last reader
    LF_NO_UNROLL
    for (int pair = 0; pair < N / 16 + 1; ++pair) {
      if (Edge && !(pair >= wanted.low && pair <= wanted.high)) continue;
      float sums[2][4] = {};
      const int at = ring_row(tile, pair);
      multiply_pair<K>(sums[0], sums[1], queries, ring(), at);
      LF_UNROLL
      for (int half = 0; half < 2; ++half) {
        const float* const bias = ring_bias() + at + 8 * half + column;
        float* const to = products + row * kDiagonalStride<N> + 16 * pair + 8 * half + column;
        to[0] = sums[half][0] + bias[0], to[1] = sums[half][1] + bias[1];
        to[8 * kDiagonalStride<N>] = sums[half][2] + bias[0];
        to[8 * kDiagonalStride<N> + 1] = sums[half][3] + bias[1];
      }
    }
    __syncwarp();
  }

  // Scores with keys 16 pair and on, before the factor scale.
  __device__ void score_pair(int tile, int pair, const LeftRows<K>& queries, float (&s)[2][4]) const {
    LF_UNROLL
    for (int i = 0; i < 4; ++i) s[0][i] = s[1][i] = 0;
    multiply_pair<K>(s[0], s[1], queries, k_tile(tile), 16 * pair);
    if constexpr (Relative) {
      LF_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int n = 16 * pair + 8 * half + lane_column();
        const float* const bias = column_bias(tile) + n;
        LF_UNROLL
        for (int i = 0; i < 4; ++i) {
          s[half][i] += bias[i % 2];
          if (!is_listed(tile)) s[half][i] += diagonals()[diagonal(lane_row() + i / 2 * 8, n + i % 2)];
        }
      }
    }
  }

  // The bits of keys that this lane's two rows see.
  __device__ void visible_rows(int tile, uint64_t seen, uint64_t (&rows)[2]) const {
    rows[0] = visible(tile, seen, lane_row()), rows[1] = visible(tile, seen, lane_row() + 8);
  }

  // The row of the ring for products 16 `pair` and on of this warp.
  __device__ int ring_row(int tile, int pair) const {
    return ((tile - listed_tiles()) * N + (kTile - 16) - 16 * tile_warp() + 16 * pair) % kRingRows<N>;
  }
  // Where a warp's row finds the product of its distance to key n.
  __device__ static int diagonal(int row, int n) { return row * kDiagonalStride<N> + 15 - row + n; }

 private:
  static __device__ int b() { return static_cast<int>(blockIdx.z); }
  static __device__ int h() { return static_cast<int>(blockIdx.y); }
  __device__ int listed_tiles() const { return (listed_ + N - 1) / N; }
  __device__ uint32_t* seen_words(int tile) const {
    return reinterpret_cast<uint32_t*>(lf::cuda::shared_memory() + Memory::kSeen) + tile % 2 * 2;
  }
  __device__ float* column_bias(int tile) const {
    return reinterpret_cast<float*>(lf::cuda::shared_memory() + Memory::kColumnBias) + tile % 2 * N;
  }
  __device__ float* ring_bias() const {
    return reinterpret_cast<float*>(lf::cuda::shared_memory() + Memory::kRingBias);
  }
  __device__ Distances<true> distances() const { return {call_, h(), step_, start_ + kTile - 1 - begin_}; }
  // Distances that the tile needs and the one before did not load.
  __device__ int first_distance(int tile) const {
    return tile == listed_tiles() ? 0 : (tile - listed_tiles()) * N + kTile;
  }
  __device__ int distances_of(int tile) const { return tile == listed_tiles() ? kTile + N : N; }

  __device__ void load_distances(int tile) {
    const Distances<true> from = distances();
    const int x = first_distance(tile);
    std::byte* const ring = lf::cuda::shared_memory() + Memory::kRing;
    for (int n = 0; n < distances_of(tile); n += N) {
      const int at = (x + n) % kRingRows<N>;
      copy_rows<K, N>([&](int row, int chunk) {
        const bf16* const r = from.template address<K>(x + n + row);
        lf::cuda::copy_async(ring + chunk_offset<K>(at + row, chunk), r ? r + 8 * chunk : call_.r,
                             r != nullptr);
      });
    }
  }

  // What a thread will publish: whether key n is seen, and the constants of key n and of distance n.
  __device__ void fetch(int tile, int position, int end) {
    const int n = tile_thread();
    fetched_seen_ = false;
    if (n < N && position + n < end) {
      const int token = sequence(tile).token(position + n);
      const TokenKind kind = call_.shape.kind(b(), token);
      fetched_seen_ = is_listed(tile) ? kind == TokenKind::global
                      : banded_       ? kind == TokenKind::local
                                      : kind != TokenKind::padded;
      if (Relative) fetched_column_ = call_.key_bias[call_.shape.slot(b(), h(), token)];
    } else {
      fetched_column_ = 0;
    }
    if (Relative && !is_listed(tile) && n < distances_of(tile))
      fetched_distance_ = distances().bias(first_distance(tile) + n);
  }

  const TileCall& call_;
  const int32_t* list_;
  int listed_, queries_, first_, step_, start_, begin_, end_;
  bool banded_;
  bool fetched_seen_ = false;
  float fetched_column_ = 0, fetched_distance_ = 0;
};

}  // namespace lf::kernels::cuda
