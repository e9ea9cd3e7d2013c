// Rows of a (B, T, H, K) tensor gathered into dense, aligned, zero-padded blocks of accumulators, and back;
// for one SIMD target. A block of rows is (count, width) with width = K rounded up; panels are the transposed
// form of such a block: (count / lanes, K, lanes), so that a product over K reads consecutive vectors.
#if defined(LF_ATTENTION_PACKING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_ATTENTION_PACKING_INL_H_
#undef LF_ATTENTION_PACKING_INL_H_
#else
#define LF_ATTENTION_PACKING_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "core/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Asks for a row of K numbers that is wanted soon, into the second cache: the first has buffers for too few
// requests to keep memory busy. Rows of one head lie H * K apart, which no hardware prefetcher follows:
// without this the kernel waits for memory when windows are short.
template <class Element>
HWY_INLINE void prefetch_row(const Element* row, int64_t K) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(Element));
  for (int64_t c = 0; c < K; c += kLine) __builtin_prefetch(row + c, 0, 2);
}

// to[0 .. width) = from[0 .. K), then zeros.
template <class Element, class F>
HWY_INLINE void load_row(const Element* HWY_RESTRICT from, F* HWY_RESTRICT to, int64_t K, int64_t width) {
  for (int64_t c = 0; c < K; ++c) to[c] = static_cast<F>(from[c]);
  for (int64_t c = K; c < width; ++c) to[c] = F(0);
}

// to = factor * (from + bias), padded with zeros. bias may be null.
template <class Element, class F>
HWY_INLINE void load_row_biased(const Element* HWY_RESTRICT from, const F* HWY_RESTRICT bias, F factor,
                                F* HWY_RESTRICT to, int64_t K, int64_t width) {
  if (bias == nullptr) {
    for (int64_t c = 0; c < K; ++c) to[c] = static_cast<F>(from[c]) * factor;
  } else {
    for (int64_t c = 0; c < K; ++c) to[c] = (static_cast<F>(from[c]) + bias[c]) * factor;
  }
  for (int64_t c = K; c < width; ++c) to[c] = F(0);
}

// to[0 .. K) = factor * from, rounded to the element type.
template <class Element, class F>
HWY_INLINE void store_row(const F* HWY_RESTRICT from, F factor, Element* HWY_RESTRICT to, int64_t K) {
  for (int64_t c = 0; c < K; ++c) to[c] = static_cast<Element>(from[c] * factor);
}

// to[0 .. K) += factor * from.
template <class Element, class F>
HWY_INLINE void add_row(const F* HWY_RESTRICT from, F factor, Element* HWY_RESTRICT to, int64_t K) {
  for (int64_t c = 0; c < K; ++c) to[c] = static_cast<Element>(static_cast<F>(to[c]) + from[c] * factor);
}

// Transposes `lanes` rows of a block into one panel.
template <class F>
HWY_INLINE void transpose_panel(const F* HWY_RESTRICT rows, F* HWY_RESTRICT panel, int64_t K, int64_t width) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<F>()));
  int64_t c = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(F) == 4) {
    const hn::FixedTag<F, 4> d;
    for (; c + 4 <= K; c += 4) {
      for (int64_t lane = 0; lane < lanes; lane += 4) {
        const F* const from = rows + lane * width + c;
        F* const to = panel + c * lanes + lane;
        const auto r0 = hn::Load(d, from), r1 = hn::Load(d, from + width);
        const auto r2 = hn::Load(d, from + 2 * width), r3 = hn::Load(d, from + 3 * width);
        const auto low02 = hn::InterleaveLower(d, r0, r2), low13 = hn::InterleaveLower(d, r1, r3);
        const auto high02 = hn::InterleaveUpper(d, r0, r2), high13 = hn::InterleaveUpper(d, r1, r3);
        hn::Store(hn::InterleaveLower(d, low02, low13), d, to);
        hn::Store(hn::InterleaveUpper(d, low02, low13), d, to + lanes);
        hn::Store(hn::InterleaveLower(d, high02, high13), d, to + 2 * lanes);
        hn::Store(hn::InterleaveUpper(d, high02, high13), d, to + 3 * lanes);
      }
    }
  }
#endif
  for (; c < K; ++c) {
    for (int64_t lane = 0; lane < lanes; ++lane) panel[c * lanes + lane] = rows[lane * width + c];
  }
}

// The panels of a block of `count` rows, a multiple of the vector length.
template <class F>
HWY_NOINLINE void transpose_rows(const F* rows, F* panels, int64_t count, int64_t K, int64_t width) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<F>()));
  for (int64_t row = 0; row < count; row += lanes)
    transpose_panel(rows + row * width, panels + row * K, K, width);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#endif  // LF_ATTENTION_PACKING_INL_H_
