// What the tensor-core attention kernels are made of: tiles of rows in shared memory, fragments of them, the
// sequence that a block works on, masks of visible and of kept pairs. bf16, blocks of four warps.
#pragma once

#include <type_traits>

#include "core/cuda/device_code.h"
#include "core/kernels/attention/cuda/device.h"
#include "core/kernels/attention/shares.h"

// Sums live in registers only where every loop over them is unrolled.
#ifdef __CUDACC__
#define LF_UNROLL _Pragma("unroll")
#define LF_NO_UNROLL _Pragma("unroll 1")
#define LF_PRAGMA(...) _Pragma(#__VA_ARGS__)
#define LF_UNROLL_BY(count) LF_PRAGMA(unroll(count))
#else
#define LF_UNROLL
#define LF_NO_UNROLL
#define LF_UNROLL_BY(count)
#endif

namespace lf::kernels::cuda {

// Kernels that say __launch_bounds__(kTileThreads, 1) would spill a few registers if the assembler were left
// to fit one more block on a multiprocessor.
inline constexpr int kTileThreads = 128, kTileWarps = kTileThreads / lf::cuda::kWarp;
inline constexpr int kWarpRows = kTile / kTileWarps;  // of which a warp has 16
inline constexpr float kLog2OfE = 1.4426950408889634f, kLnOf2 = 0.6931471805599453f;
inline constexpr float kInfinite = __builtin_inff();

__device__ inline int tile_thread() { return static_cast<int>(threadIdx.x); }
__device__ inline int tile_lane() { return tile_thread() % lf::cuda::kWarp; }
__device__ inline int tile_warp() { return tile_thread() / lf::cuda::kWarp; }
// The rows, within a warp's 16, and the first column, within 8, of a lane's sums (see multiply_bf16).
__device__ inline int lane_row() { return tile_lane() / 4; }
__device__ inline int lane_column() { return 2 * (tile_lane() % 4); }

// --- rows of K elements in shared memory, in chunks of 16 bytes ---

// The byte offset of a chunk. Its place is mixed with the row's number so that the eight rows of an 8 x 8
// matrix lie in different banks: rows of 128 or 256 bytes all begin at bank 0, rows of 64 or 192 at 0 or 16.
template <int K>
__device__ int chunk_offset(int row, int chunk) {
  const int mix = K % 64 == 0 ? row % 8 : row / 2 % 4;
  return (row * (K / 8) + (chunk ^ mix)) * 16;
}
template <int K>
constexpr int tile_bytes(int rows) {
  return rows * K * 2;
}

// Calls copy(row, chunk) for every chunk of `Rows` rows, shared out to the block's threads.
template <int K, int Rows, class Copy>
__device__ void copy_rows(Copy&& copy) {
  constexpr int kChunks = K / 8;
  LF_NO_UNROLL  // copies go on by themselves; addresses would take registers
      for (int i = 0; i < Rows * kChunks; i += kTileThreads)
          copy((i + tile_thread()) / kChunks, (i + tile_thread()) % kChunks);
}

// Rows [row, row + 16) and columns [16 step, 16 step + 16) of a tile as the left factor.
template <int K>
__device__ void load_left(uint32_t (&a)[4], const std::byte* tile, int row, int step) {
  const int lane = tile_lane();
  lf::cuda::load_matrices(a, tile + chunk_offset<K>(row + lane % 16, 2 * step + lane / 16));
}
// The transpose of rows [16 step, 16 step + 16) and columns [column, column + 16) as the left factor.
template <int K>
__device__ void load_left_transposed(uint32_t (&a)[4], const std::byte* tile, int step, int column) {
  const int lane = tile_lane();
  const int row = 16 * step + lane / 16 * 8 + lane % 8;
  lf::cuda::load_matrices_transposed(a, tile + chunk_offset<K>(row, column / 8 + lane / 8 % 2));
}
// Rows [row, row + 16) as 16 columns of the right factor, columns [16 step, 16 step + 16) as its rows: b[0]
// for the first eight, b[1] for the others.
template <int K>
__device__ void load_right(uint32_t (&b)[2][2], const std::byte* tile, int row, int step) {
  const int lane = tile_lane();
  uint32_t all[4];
  lf::cuda::load_matrices(all,
                          tile + chunk_offset<K>(row + lane / 16 * 8 + lane % 8, 2 * step + lane / 8 % 2));
  b[0][0] = all[0], b[0][1] = all[1], b[1][0] = all[2], b[1][1] = all[3];
}
// Rows [row, row + 16) as 16 rows of the right factor, columns [column, column + 16) as its columns.
template <int K>
__device__ void load_right_transposed(uint32_t (&b)[2][2], const std::byte* tile, int row, int column) {
  const int lane = tile_lane();
  uint32_t all[4];
  lf::cuda::load_matrices_transposed(all, tile + chunk_offset<K>(row + lane % 16, column / 8 + lane / 16));
  b[0][0] = all[0], b[0][1] = all[1], b[1][0] = all[2], b[1][1] = all[3];
}

// Sixteen rows as left factors for the K columns.
template <int K>
using LeftRows = uint32_t[K / 16][4];

// sums (16 x 16 pair p of columns) += rows times the tile's rows [row, row + 16), transposed.
template <int K>
__device__ void multiply_pair(float (&low)[4], float (&high)[4], const LeftRows<K>& rows,
                              const std::byte* tile, int row) {
  LF_UNROLL
  for (int step = 0; step < K / 16; ++step) {
    uint32_t b[2][2];
    load_right<K>(b, tile, row, step);
    lf::cuda::multiply_bf16(low, rows[step], b[0]);
    lf::cuda::multiply_bf16(high, rows[step], b[1]);
  }
}

// The 16 rows of a tile that belong to this warp, as left factors: in registers where there is room, else
// read from shared memory for every product.
template <int K>
class WarpRows {
 public:
  // Rows [first, first + 16); without it, the warp's share of 64.
  __device__ explicit WarpRows(const std::byte* tile) : WarpRows(tile, kWarpRows * tile_warp()) {}
  __device__ WarpRows(const std::byte* tile, int first) : tile_(tile), first_(first) {
    if constexpr (kInRegisters) {
      LF_UNROLL
      for (int step = 0; step < K / 16; ++step) load_left<K>(rows_[step], tile, first, step);
    }
  }

  // sums (16 x 16) += these rows times rows [row, row + 16) of another tile, transposed.
  __device__ void multiply(float (&sums)[2][4], const std::byte* other, int row) const {
    if constexpr (kInRegisters) {
      multiply_pair<K>(sums[0], sums[1], rows_, other, row);
    } else {
      LF_NO_UNROLL  // or its addresses take the registers that the rows left free
          for (int step = 0; step < K / 16; ++step) {
        uint32_t a[4], b[2][2];
        load_left<K>(a, tile_, first_, step);
        load_right<K>(b, other, row, step);
        lf::cuda::multiply_bf16(sums[0], a, b[0]);
        lf::cuda::multiply_bf16(sums[1], a, b[1]);
      }
    }
  }

 private:
  static constexpr bool kInRegisters = K <= 64;
  LeftRows<kInRegisters ? K : 16> rows_;
  const std::byte* tile_;
  int first_;
};

// sums (16 x K) += the left factor (16 x 16) times the tile's rows [row, row + 16).
template <int K>
__device__ void multiply_into(float (&sums)[K / 8][4], const uint32_t (&left)[4], const std::byte* tile,
                              int row) {
  LF_UNROLL
  for (int column = 0; column < K; column += 16) {
    uint32_t b[2][2];
    load_right_transposed<K>(b, tile, row, column);
    lf::cuda::multiply_bf16(sums[column / 8], left, b[0]);
    lf::cuda::multiply_bf16(sums[column / 8 + 1], left, b[1]);
  }
}

// Two neighbouring 16 x 8 sums, rounded, as the left factor of a product over their columns.
__device__ inline void pack_left(uint32_t (&a)[4], const float (&low)[4], const float (&high)[4]) {
  a[0] = lf::cuda::pack_bf16(low[0], low[1]), a[1] = lf::cuda::pack_bf16(low[2], low[3]);
  a[2] = lf::cuda::pack_bf16(high[0], high[1]), a[3] = lf::cuda::pack_bf16(high[2], high[3]);
}

// Two rows of K elements (null: zeros) as this lane's share of left factors.
template <int K>
__device__ void read_left(LeftRows<K>& rows, const bf16* row, const bf16* row_plus_8) {
  LF_UNROLL
  for (int step = 0; step < K / 16; ++step) {
    const int column = 16 * step + lane_column();
    const auto at = [](const bf16* from, int i) {
      return from ? *reinterpret_cast<const uint32_t*>(from + i) : 0u;
    };
    rows[step][0] = at(row, column), rows[step][1] = at(row_plus_8, column);
    rows[step][2] = at(row, column + 8), rows[step][3] = at(row_plus_8, column + 8);
  }
}

// --- sequences ---

// Tokens that form an ordinary sequence: every `step`-th one from `first` on, or those of a list.
struct Sequence {
  const int32_t* list = nullptr;
  int first = 0, step = 1, length = 0;

  __device__ int token(int position) const { return list ? list[position] : first + position * step; }
  __device__ bool has(int position) const { return position >= 0 && position < length; }
};

// What a block works on: `start` is its first position in the residue class of the head's dilation.
struct Block {
  int b, h;
  Sequence tokens;
  int start;
};

// Grid (most tiles of a head and sequence, H, B); false where there is no such tile.
__device__ inline bool find_block(const DeviceAttention& shape, Block& block) {
  block.b = static_cast<int>(blockIdx.z), block.h = static_cast<int>(blockIdx.y);
  const int D = shape.dilation(block.h), T = shape.length(block.b);
  if (T == 0) return false;
  const int tiles = ((T + D - 1) / D + kTile - 1) / kTile, residue = static_cast<int>(blockIdx.x) / tiles;
  block.start = static_cast<int>(blockIdx.x) % tiles * kTile;
  block.tokens = {nullptr, residue, D, (T - residue + D - 1) / D};
  return residue < D && block.start < block.tokens.length;
}

// The listed tokens of a sequence.
__device__ inline Sequence global_sequence(const DeviceAttention& shape, int b) {
  const int count = shape.globals(b);
  return {count && shape.global_positions ? shape.global_positions + shape.first_global(b) : nullptr, 0, 1,
          count};
}

// --- masks: bit n stands for column n of a tile ---

// Columns [low, high].
__device__ inline uint64_t columns_between(int low, int high) {
  if (high < 0 || low > 63 || low > high) return 0;
  return ~uint64_t{0} << (low > 0 ? low : 0) & ~uint64_t{0} >> (63 - (high < 63 ? high : 63));
}

// The eight decisions of a dropout block.
__device__ inline uint32_t kept_of_block(const DeviceAttention& shape, uint64_t block) {
  const auto words = philox(shape.dropout_key, block);
  uint32_t kept = 0;
  LF_UNROLL
  for (int i = 0; i < 4; ++i) {
    kept |= uint32_t{(words[i] & 0xffffu) >= shape.dropout_threshold} << (2 * i);
    kept |= uint32_t{words[i] >> 16 >= shape.dropout_threshold} << (2 * i + 1);
  }
  return kept;
}

// Whether the pairs of a query, whose dropout row begins at `row`, with `count` keys of the sequence from
// position `first` on are kept (count <= 32). Positions before the sequence's first decide nothing, but those
// behind them must: numbers of elements wrap around, so blocks are counted from each eight's own.
__device__ inline uint32_t kept_keys(const DeviceAttention& shape, uint64_t row, const Sequence& keys,
                                     int first, int count) {
  if (!keys.list && keys.step == 1) {
    const uint64_t element = row + static_cast<uint64_t>(keys.first + first);
    uint64_t kept = 0;
    LF_NO_UNROLL
    for (int i = 0; i < count / 8 + 1; ++i)
      kept |= uint64_t{kept_of_block(shape, (element + 8 * static_cast<uint64_t>(i)) / 8)} << (8 * i);
    return static_cast<uint32_t>(kept >> element % 8);
  }
  uint32_t kept = 0;
  LF_NO_UNROLL
  for (int n = 0; n < count; ++n) {
    if (!keys.has(first + n)) continue;
    const bool moved = keys.list && shape.global_places;
    const int place =
        moved ? shape.global_places[keys.list - shape.global_positions + first + n] : keys.token(first + n);
    kept |= uint32_t{shape.keeps(row + static_cast<uint64_t>(place))} << n;
  }
  return kept;
}

// The bit masks of kept columns for this lane's two rows, of a warp whose 16 rows are queries; query(row) is
// the token of a row, first(row) the position of its first key. All lanes take part.
template <int Columns, class Query, class First>
__device__ void kept_rows(const DeviceAttention& shape, int b, const Sequence& keys, First&& first,
                          Query&& query, uint64_t (&kept)[2]) {
  constexpr int kWords = Columns / 32;
  const int lane = tile_lane(), row = lane / kWords % 16, word = lane % kWords;
  const uint64_t elements = shape.dropout_row(b, static_cast<int>(blockIdx.y), query(row));
  const uint32_t mine = kept_keys(shape, elements, keys, first(row) + 32 * word, 32);
  LF_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int from = (lane_row() + 8 * i) * kWords;
    kept[i] = __shfl_sync(lf::cuda::kAllLanes, mine, from);
    if (kWords == 2) kept[i] |= uint64_t{__shfl_sync(lf::cuda::kAllLanes, mine, from + 1)} << 32;
  }
}

// Replaces sums of two rows, columns 16 pair and on, where their bits are not set.
__device__ inline void replace_unset(float (&sums)[2][4], int pair, const uint64_t (&bits)[2], float value) {
  LF_UNROLL
  for (int row = 0; row < 2; ++row) {
    const auto mine = static_cast<uint32_t>(bits[row] >> (16 * pair)) >> lane_column();
    LF_UNROLL
    for (int i = 0; i < 4; ++i) {
      if ((mine >> (i / 2 * 8 + i % 2) & 1) == 0) sums[i / 2][2 * row + i % 2] = value;
    }
  }
}

// The sum, or the largest, of the four lanes that share rows.
__device__ inline float quad_sum(float value) {
  value += __shfl_xor_sync(lf::cuda::kAllLanes, value, 1);
  return value + __shfl_xor_sync(lf::cuda::kAllLanes, value, 2);
}
__device__ inline float quad_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(lf::cuda::kAllLanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(lf::cuda::kAllLanes, value, 2));
}

}  // namespace lf::kernels::cuda
