// Dense attention of a few queries, for one SIMD target: keys and values are read where they are, once for
// all queries, for packing them would cost more than the products.
#if defined(LF_ATTENTION_DENSE_FEW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_ATTENTION_DENSE_FEW_INL_H_
#undef LF_ATTENTION_DENSE_FEW_INL_H_
#else
#define LF_ATTENTION_DENSE_FEW_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "core/kernels/attention/cpu/dense_memory.h"
#include "core/kernels/attention/cpu/packing-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int64_t kFewQueries = 4;
inline constexpr int64_t kKeysAhead = 24;  // between what is read and what is fetched

// strip[r][n] = <q_r, key n>; q has kFewQueries rows of `width` numbers.
HWY_INLINE void few_scores(const TokenView<const float>& k, int64_t first, int64_t offset, int64_t keys,
                           const float* q, int64_t width, int64_t K, float* strip, int64_t stride) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t n = 0; n < keys; ++n) {
    const float* const key = k.row(first + n, offset);
    prefetch_row(k.row(first + (n + kKeysAhead < keys ? n + kKeysAhead : n), offset), K);
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    int64_t c = 0;
    for (; c + lanes <= K; c += lanes) {
      const auto x = hn::LoadU(d, key + c);
      s0 = hn::MulAdd(x, hn::Load(d, q + c), s0);
      s1 = hn::MulAdd(x, hn::Load(d, q + width + c), s1);
      s2 = hn::MulAdd(x, hn::Load(d, q + 2 * width + c), s2);
      s3 = hn::MulAdd(x, hn::Load(d, q + 3 * width + c), s3);
    }
    float sums[kFewQueries] = {hn::GetLane(hn::SumOfLanes(d, s0)), hn::GetLane(hn::SumOfLanes(d, s1)),
                               hn::GetLane(hn::SumOfLanes(d, s2)), hn::GetLane(hn::SumOfLanes(d, s3))};
    for (; c < K; ++c) {
      for (int64_t r = 0; r < kFewQueries; ++r) sums[r] += key[c] * q[r * width + c];
    }
    for (int64_t r = 0; r < kFewQueries; ++r) strip[r * stride + n] = sums[r];
  }
}

// sums[r] = sum over n of strip[r][n] value_n.
HWY_INLINE void few_sums(const TokenView<const float>& v, int64_t first, int64_t offset, int64_t keys,
                         const float* strip, int64_t stride, int64_t K, float* sums, int64_t width) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + 2 * lanes <= K; c += 2 * lanes) {
    auto a0 = hn::Zero(d), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
    for (int64_t n = 0; n < keys; ++n) {
      const float* const value = v.row(first + n, offset) + c;
      prefetch_row(v.row(first + (n + kKeysAhead < keys ? n + kKeysAhead : n), offset) + c, 2 * lanes);
      const auto x = hn::LoadU(d, value), y = hn::LoadU(d, value + lanes);
      const auto wa = hn::Set(d, strip[n]), wb = hn::Set(d, strip[stride + n]);
      const auto wc = hn::Set(d, strip[2 * stride + n]), wd = hn::Set(d, strip[3 * stride + n]);
      a0 = hn::MulAdd(wa, x, a0), a1 = hn::MulAdd(wa, y, a1);
      b0 = hn::MulAdd(wb, x, b0), b1 = hn::MulAdd(wb, y, b1);
      c0 = hn::MulAdd(wc, x, c0), c1 = hn::MulAdd(wc, y, c1);
      d0 = hn::MulAdd(wd, x, d0), d1 = hn::MulAdd(wd, y, d1);
    }
    float* const to = sums + c;
    hn::Store(a0, d, to), hn::Store(a1, d, to + lanes);
    hn::Store(b0, d, to + width), hn::Store(b1, d, to + width + lanes);
    hn::Store(c0, d, to + 2 * width), hn::Store(c1, d, to + 2 * width + lanes);
    hn::Store(d0, d, to + 3 * width), hn::Store(d1, d, to + 3 * width + lanes);
  }
  for (; c < K; ++c) {
    for (int64_t r = 0; r < kFewQueries; ++r) {
      float sum = 0;
      for (int64_t n = 0; n < keys; ++n) sum += strip[r * stride + n] * v.row(first + n, offset)[c];
      sums[r * width + c] = sum;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#endif  // LF_ATTENTION_DENSE_FEW_INL_H_
