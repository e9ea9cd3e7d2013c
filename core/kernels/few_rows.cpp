// A is transposed into panels of whole vectors of rows, B's numbers are the factors: C^T = B A^T, whose tiles
// of kTileRows columns of C lie in registers while K is summed.
#include "core/kernels/few_rows.h"

#include <hwy/aligned_allocator.h>

#include <algorithm>

#include "core/check.h"
#include "core/kernels/simd_targets.h"
#include "core/storage.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/few_rows.cpp"
#include <hwy/foreach_target.h>

#include "core/kernels/small_gemm-inl.h"

#ifndef LF_FEW_ROWS_ONCE
#define LF_FEW_ROWS_ONCE
namespace lf {

// Rows of C that are computed together: whole vectors of every target.
inline constexpr int64_t kFewRowsPanel = 16;
// Measured: oneDNN has a way of its own for fewer, and with more, packing B pays.
inline constexpr int64_t kLeastFewRows = 8, kMostFewRows = 64;
// Columns of C that are one task.
inline constexpr int64_t kFewRowsColumns = 64;

inline int64_t few_rows_padded(const kernels::Product& p) {
  return (p.M + kFewRowsPanel - 1) / kFewRowsPanel * kFewRowsPanel;
}

}  // namespace lf
#endif

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

// at (K, padded): column k of A, zeros behind its M numbers; for k in [begin, end).
void transpose_few_rows(const kernels::Product& p, const float* a, int64_t begin, int64_t end, float* at) {
  const int64_t padded = few_rows_padded(p);
  for (int64_t k = begin; k < end; ++k) {
    float* const to = at + k * padded;
    for (int64_t m = 0; m < p.M; ++m) to[m] = a[m * p.K + k];
    std::fill(to + p.M, to + padded, 0.0f);
  }
}

// Sums of kTileRows columns of C for kVectors vectors of its rows, a row of `sums` each. Meanwhile it asks
// for the rows of B that come next, a line at a time: each lies in other pages, and no hardware prefetcher
// runs ahead of so many. gemm_tile() with such requests as an argument took 1.1 to 1.2 times as long.
template <int kVectors>
HWY_INLINE void few_rows_tile(const kernels::Product& p, const float* HWY_RESTRICT at,
                              const float* HWY_RESTRICT b, const float* next, float* sums) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = lanes_of<float>(), padded = few_rows_padded(p);
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(float)), kTerms = kLine / kTileRows;
  hn::Vec<decltype(d)> sum[kTileRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 3
    for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::Zero(d);
  }
  const auto add_term = [&](int64_t k) HWY_ATTR {
    hn::Vec<decltype(d)> vector[kVectors];
#pragma GCC unroll 3
    for (int n = 0; n < kVectors; ++n) vector[n] = hn::Load(d, at + k * padded + n * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const auto factor = hn::Set(d, b[r * p.K + k]);
#pragma GCC unroll 3
      for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::MulAdd(factor, vector[n], sum[r][n]);
    }
  };
  int64_t k = 0;
  for (; k + kLine <= p.K; k += kLine) {
    for (int64_t r = 0; r < kTileRows; ++r) {
      __builtin_prefetch(next + r * p.K + k, 0, 2);
      for (int64_t term = 0; term < kTerms; ++term) add_term(k + r * kTerms + term);
    }
  }
  for (; k < p.K; ++k) add_term(k);
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 3
    for (int n = 0; n < kVectors; ++n) hn::StoreU(sum[r][n], d, sums + r * padded + n * lanes);
  }
}

// Columns [begin, end) of C. A tile that would reach beyond the last column begins earlier.
void few_rows_columns(const kernels::Product& p, const float* at, const float* b, int64_t begin, int64_t end,
                      float* c) {
  const int64_t padded = few_rows_padded(p), lanes = lanes_of<float>();
  HWY_ALIGN float tile[kTileRows * kMostFewRows];
  for (int64_t n = begin; n < end; n += kTileRows) {
    const int64_t first = std::min(n, p.N - kTileRows);
    const float* const own = b + first * p.K;
    const float* const next = b + std::min(n + kTileRows, p.N - kTileRows) * p.K;
    for (int64_t v = 0; v < padded / lanes;) {
      const int64_t left = padded / lanes - v;
      // Four are two and two: a lone vector would wait for its loads.
      const int64_t vectors = left == 4 ? 2 : std::min<int64_t>(left, 3);
      const float* const rows = at + v * lanes;
      float* const sums = tile + v * lanes;
      if (vectors == 3) {
        few_rows_tile<3>(p, rows, own, next, sums);
      } else if (vectors == 2) {
        few_rows_tile<2>(p, rows, own, next, sums);
      } else {
        few_rows_tile<1>(p, rows, own, next, sums);
      }
      v += vectors;
    }
    const int64_t columns = std::min(kTileRows, end - n);
    for (int64_t m = 0; m < p.M; ++m) {
      for (int64_t i = 0; i < columns; ++i) c[m * p.N + n + i] = tile[(n - first + i) * padded + m];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf::kernels {

HWY_EXPORT(transpose_few_rows);
HWY_EXPORT(few_rows_columns);

bool has_few_rows(const Product& p) {
  return !p.transpose_a && p.transpose_b && p.M >= kLeastFewRows && p.M <= kMostFewRows &&
         p.N >= kFewRowsColumns && p.K > 0;
}

int64_t few_rows_scratch(const Product& p) {
  return p.K * few_rows_padded(p) * static_cast<int64_t>(sizeof(float));
}

void multiply_few_rows(const Product& p, const float* a, const float* b, float* c) {
  const ScratchCount counted(few_rows_scratch(p));
  const auto at = hwy::AllocateAligned<float>(static_cast<size_t>(p.K * few_rows_padded(p)));
  CHECK(at, "linear: no memory for ", few_rows_scratch(p), " bytes");
  const int64_t blocks = (p.K + kFewRowsPanel - 1) / kFewRowsPanel;
  const int64_t tasks = (p.N + kFewRowsColumns - 1) / kFewRowsColumns;
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
      HWY_DYNAMIC_DISPATCH(transpose_few_rows)
      (p, a, block * kFewRowsPanel, std::min(p.K, (block + 1) * kFewRowsPanel), at.get());
    }
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < tasks; ++task) {
      HWY_DYNAMIC_DISPATCH(few_rows_columns)
      (p, at.get(), b, task * kFewRowsColumns, std::min(p.N, (task + 1) * kFewRowsColumns), c);
    }
  }
}

}  // namespace lf::kernels
#endif
