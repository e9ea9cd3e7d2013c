// Sums over the rows of a matrix, a few per column at once, in an order that depends on the number of rows
// alone: pieces of rows first, then the pieces.
#pragma once

#include <algorithm>

#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/cuda/vectors.h"
#include "core/tensor.h"

namespace lf::cuda {

inline constexpr int kSumWarps =
    8;  // of a block: each takes every eighth row of the piece, lanes are columns

// How rows are cut into pieces of `size`.
struct Pieces {
  int64_t count, size;
};
inline Pieces pieces_of(int64_t rows) {
  constexpr int64_t kMost = 256, kLeastRows = 64;
  const int64_t size = std::max(kLeastRows, (rows + kMost - 1) / kMost);
  return {std::max<int64_t>(1, (rows + size - 1) / size), size};
}

// sums[piece][s][column] = the sum of terms(row, column)[s] over the piece's rows.
template <class Terms, class A = typename Terms::Sum>
__global__ void column_sums_kernel(Terms terms, int64_t rows, int64_t columns, int64_t piece_rows, A* sums) {
  constexpr int kCount = Terms::kCount;
  const int warp = warp_of_block(), lane = lane_of_warp();
  const int64_t column = int64_t{blockIdx.x} * kWarp + lane;
  const int64_t begin = int64_t{blockIdx.y} * piece_rows;
  const int64_t end = begin + piece_rows < rows ? begin + piece_rows : rows;
  A mine[kCount] = {};
  if (column < columns) {
    for (int64_t row = begin + warp; row < end; row += kSumWarps) terms(row, column, mine);
  }
  auto* of_warps = reinterpret_cast<A*>(shared_memory());  // (kSumWarps, kCount, kWarp)
  for (int s = 0; s < kCount; ++s) of_warps[(warp * kCount + s) * kWarp + lane] = mine[s];
  __syncthreads();
  if (warp != 0 || column >= columns) return;
  for (int s = 0; s < kCount; ++s) {
    A total = 0;
    for (int w = 0; w < kSumWarps; ++w) total += of_warps[(w * kCount + s) * kWarp + lane];
    sums[(int64_t{blockIdx.y} * kCount + s) * columns + column] = total;
  }
}

// The second step: plain elements.
template <class T>
struct MatrixTerms {
  using Sum = Accumulator<T>;
  static constexpr int kCount = 1;
  const T* matrix;
  int64_t columns;
  __device__ void operator()(int64_t row, int64_t column, Sum (&sums)[1]) const {
    sums[0] += static_cast<Sum>(matrix[row * columns + column]);
  }
};

template <class Terms, class A = typename Terms::Sum>
void launch_column_sums(const Terms& terms, int64_t rows, int64_t columns, const Pieces& pieces, A* sums) {
  launch(column_sums_kernel<Terms>, {(columns + kWarp - 1) / kWarp, pieces.count}, kSumWarps * kWarp,
         static_cast<int64_t>(sizeof(A)) * kSumWarps * Terms::kCount * kWarp, terms, rows, columns,
         pieces.size, sums);
}

// sums (Terms::kCount, columns) of all rows.
template <class Terms, class A = typename Terms::Sum>
void sum_columns(const Terms& terms, int64_t rows, int64_t columns, A* sums) {
  const Pieces pieces = pieces_of(rows);
  if (pieces.count == 1) return launch_column_sums(terms, rows, columns, pieces, sums);
  const int64_t width = Terms::kCount * columns;
  const Tensor partial = Tensor::empty({pieces.count, width}, DTypeOf<A>::value, Device::cuda);
  launch_column_sums(terms, rows, columns, pieces, partial.device_data<A>());
  launch_column_sums(MatrixTerms<A>{partial.device_data<A>(), width}, pieces.count, width, {1, pieces.count},
                     sums);
}

}  // namespace lf::cuda
