// Vectorised passes over one row of attention scores, in units of log2: the exponential, the forward softmax
// and the backward of the softmax, for one SIMD target. Rows are aligned; counts are multiples of the vector
// length.
#if defined(LF_ATTENTION_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_ATTENTION_SOFTMAX_INL_H_
#undef LF_ATTENTION_SOFTMAX_INL_H_
#else
#define LF_ATTENTION_SOFTMAX_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstdint>
#include <limits>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr double kLog2E = 1.4426950408889634074;
inline constexpr double kLn2 = 0.69314718055994530942;

// 2^x for x below 127, 0 for x below -126 (also for -infinity), NaN for NaN; relative error 1e-7 (1e-15 for
// double).
template <class D>
HWY_INLINE hn::Vec<D> exp2(D d, hn::Vec<D> x) {
  using F = hn::TFromD<D>;
  if constexpr (std::is_same_v<F, double>) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, hn::Mul(x, hn::Set(d, kLn2))));
  } else {
    const hn::RebindToSigned<D> di;
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits, with the exponent's bias added too;
    // shifted by 23 they are a power of two.
    const auto magic = hn::Set(d, 12582912.0f + 127.0f);
    const auto rounded = hn::Add(x, magic);
    const auto f = hn::Sub(x, hn::Sub(rounded, magic));
    // Minimax polynomial of degree 6 on [-1/2, 1/2].
    auto p = hn::Set(d, 0.00015345812f);
    p = hn::MulAdd(p, f, hn::Set(d, 0.0013399931f));
    p = hn::MulAdd(p, f, hn::Set(d, 0.009618489f));
    p = hn::MulAdd(p, f, hn::Set(d, 0.055503286f));
    p = hn::MulAdd(p, f, hn::Set(d, 0.24022646f));
    p = hn::MulAdd(p, f, hn::Set(d, 0.6931472f));
    p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
    const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, rounded)));
    return hn::IfThenZeroElse(hn::Le(x, hn::Set(d, -126.0f)), hn::Mul(p, power));
  }
}

// Overwrites row[begin .. visible_begin) and row[visible_end .. end) with -infinity; begin and end are
// aligned.
template <class F>
HWY_NOINLINE void hide_edges(F* row, int64_t begin, int64_t end, int64_t visible_begin, int64_t visible_end) {
  const hn::ScalableTag<F> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto hidden = hn::Set(d, -std::numeric_limits<F>::infinity());
  for (int64_t c = begin; c < visible_begin && c < end; c += lanes) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(visible_begin - c));
    hn::Store(hn::IfThenElse(mask, hidden, hn::Load(d, row + c)), d, row + c);
  }
  const int64_t tail = begin + (visible_end > begin ? (visible_end - begin) / lanes * lanes : 0);
  for (int64_t c = tail; c < end; c += lanes) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(visible_end > c ? visible_end - c : 0));
    hn::Store(hn::IfThenElse(mask, hn::Load(d, row + c), hidden), d, row + c);
  }
}

// row += bias.
template <class F>
HWY_INLINE void add_bias(F* row, const F* bias, int64_t count) {
  const hn::ScalableTag<F> d;
  for (int64_t c = 0; c < count; c += static_cast<int64_t>(hn::Lanes(d))) {
    hn::Store(hn::Add(hn::Load(d, row + c), hn::Load(d, bias + c)), d, row + c);
  }
}

// The largest of floor and the row.
template <class F>
HWY_NOINLINE F row_maximum(const F* row, int64_t count, F floor) {
  const hn::ScalableTag<F> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto even = hn::Set(d, floor), odd = even;
  int64_t c = 0;
  for (; c + 2 * lanes <= count; c += 2 * lanes) {
    even = hn::Max(even, hn::Load(d, row + c));
    odd = hn::Max(odd, hn::Load(d, row + c + lanes));
  }
  if (c < count) even = hn::Max(even, hn::Load(d, row + c));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(even, odd)));
}

// row = 2^(row - maximum); returns the sum of the result.
template <class F>
HWY_NOINLINE F exponentiate(F* row, int64_t count, F maximum) {
  const hn::ScalableTag<F> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto subtrahend = hn::Set(d, maximum);
  auto even = hn::Zero(d), odd = even;
  int64_t c = 0;
  for (; c + 2 * lanes <= count; c += 2 * lanes) {
    const auto e0 = exp2(d, hn::Sub(hn::Load(d, row + c), subtrahend));
    const auto e1 = exp2(d, hn::Sub(hn::Load(d, row + c + lanes), subtrahend));
    hn::Store(e0, d, row + c);
    hn::Store(e1, d, row + c + lanes);
    even = hn::Add(even, e0);
    odd = hn::Add(odd, e1);
  }
  if (c < count) {
    const auto e = exp2(d, hn::Sub(hn::Load(d, row + c), subtrahend));
    hn::Store(e, d, row + c);
    even = hn::Add(even, e);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

// row *= factor.
template <class F>
HWY_INLINE void multiply(F* row, const F* factor, int64_t count) {
  const hn::ScalableTag<F> d;
  for (int64_t c = 0; c < count; c += static_cast<int64_t>(hn::Lanes(d))) {
    hn::Store(hn::Mul(hn::Load(d, row + c), hn::Load(d, factor + c)), d, row + c);
  }
}

// Backward of one row: scores becomes P = 2^(scores - lse), times keep where given; gradient, which holds
// dcontext . v, becomes dS = P * (gradient * keep - delta).
template <bool kKeep, class F>
HWY_NOINLINE void softmax_backward(F* HWY_RESTRICT scores, F* HWY_RESTRICT gradient,
                                   const F* HWY_RESTRICT keep, int64_t count, F lse, F delta) {
  const hn::ScalableTag<F> d;
  const auto subtrahend = hn::Set(d, lse), mean = hn::Set(d, delta);
  for (int64_t c = 0; c < count; c += static_cast<int64_t>(hn::Lanes(d))) {
    const auto p = exp2(d, hn::Sub(hn::Load(d, scores + c), subtrahend));
    const auto dp = hn::Load(d, gradient + c);
    if (kKeep) {
      const auto kept = hn::Load(d, keep + c);
      hn::Store(hn::Mul(p, kept), d, scores + c);
      hn::Store(hn::Mul(p, hn::MulSub(dp, kept, mean)), d, gradient + c);
    } else {
      hn::Store(p, d, scores + c);
      hn::Store(hn::Mul(p, hn::Sub(dp, mean)), d, gradient + c);
    }
  }
}

// Zeroes `count` numbers.
template <class F>
HWY_INLINE void clear(F* data, int64_t count) {
  const hn::ScalableTag<F> d;
  for (int64_t c = 0; c < count; c += static_cast<int64_t>(hn::Lanes(d)))
    hn::StoreU(hn::Zero(d), d, data + c);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#endif  // LF_ATTENTION_SOFTMAX_INL_H_
