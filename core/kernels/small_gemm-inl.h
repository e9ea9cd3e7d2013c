// Matrix products of cache-resident pieces: C[M x N] (+)= A[M x depth] * B[depth x N], for one SIMD target.
// A is read one number at a time through (row, step) strides, so it may be transposed or a sheared view; the
// vectors of B and C are contiguous. M is a multiple of kTileRows and N of the vector length: callers pad,
// there are no tails.
#if defined(LF_SMALL_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_SMALL_GEMM_INL_H_
#undef LF_SMALL_GEMM_INL_H_
#else
#define LF_SMALL_GEMM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows of one register tile: 8 x 3 accumulators fill the 32 registers of AVX-512, 4 x 3 the 16 of older
// targets.
#if HWY_TARGET <= HWY_AVX3
inline constexpr int64_t kTileRows = 8;
#else
inline constexpr int64_t kTileRows = 4;
#endif
inline constexpr int64_t kTileVectors = 3;

// Numbers in a vector.
template <class F>
HWY_INLINE int64_t lanes_of() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<F>()));
}

template <class F>
struct GemmA {
  const F* data;
  int64_t row, step;  // distance between rows, and between consecutive terms of the sum
};

template <class F>
struct GemmB {
  const F* data;
  int64_t step, vector;  // distance between consecutive terms of the sum, and between vectors of one term
};

template <class F>
struct GemmC {
  F* data;
  int64_t row;
};

// One register tile: kTileRows rows of kVectors vectors.
template <int kVectors, bool kAccumulate, class F>
HWY_INLINE void gemm_tile(GemmA<F> a, GemmB<F> b, GemmC<F> c, int64_t depth) {
  const hn::ScalableTag<F> d;
  const int64_t lanes = lanes_of<F>();
  hn::Vec<decltype(d)> sum[kTileRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 3
    for (int n = 0; n < kVectors; ++n) {
      sum[r][n] = kAccumulate ? hn::LoadU(d, c.data + r * c.row + n * lanes) : hn::Zero(d);
    }
  }
  const F* HWY_RESTRICT a_term = a.data;
  const F* HWY_RESTRICT b_term = b.data;
  for (int64_t t = 0; t < depth; ++t, a_term += a.step, b_term += b.step) {
    hn::Vec<decltype(d)> vector[kVectors];
#pragma GCC unroll 3
    for (int n = 0; n < kVectors; ++n) vector[n] = hn::Load(d, b_term + n * b.vector);
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
      const auto factor = hn::Set(d, a_term[r * a.row]);
#pragma GCC unroll 3
      for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::MulAdd(factor, vector[n], sum[r][n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 3
    for (int n = 0; n < kVectors; ++n) hn::StoreU(sum[r][n], d, c.data + r * c.row + n * lanes);
  }
}

// One row of register tiles: kTileRows rows of any number of vectors.
template <bool kAccumulate, class F>
HWY_NOINLINE void gemm_row_of_tiles(GemmA<F> a, GemmB<F> b, GemmC<F> c, int64_t depth, int64_t vectors) {
  const int64_t lanes = lanes_of<F>();
  while (vectors > 0) {
    // Four vectors split into 2 + 2: a lone vector would wait for its loads.
    const int64_t width = vectors == 4 ? 2 : std::min(vectors, kTileVectors);
    if (width == 3) {
      gemm_tile<3, kAccumulate>(a, b, c, depth);
    } else if (width == 2) {
      gemm_tile<2, kAccumulate>(a, b, c, depth);
    } else {
      gemm_tile<1, kAccumulate>(a, b, c, depth);
    }
    b.data += width * b.vector;
    c.data += width * lanes;
    vectors -= width;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#endif  // LF_SMALL_GEMM_INL_H_
