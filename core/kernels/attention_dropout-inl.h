// Dropout decisions of one row of keys, for one SIMD target.
#if defined(LF_ATTENTION_DROPOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_ATTENTION_DROPOUT_INL_H_
#undef LF_ATTENTION_DROPOUT_INL_H_
#else
#define LF_ATTENTION_DROPOUT_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "core/random.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

// keep[n] = 0 or 1 / (1 - p) for element first + n * D of the stream, n < count.
template <class F>
HWY_INLINE void keep_factors(const Dropout& dropout, uint64_t first, int64_t D, int64_t count, F* keep) {
  const uint32_t threshold = dropout_threshold(dropout.probability);
  const F kept = static_cast<F>(1.0 / (1.0 - dropout.probability));
  uint64_t index = ~uint64_t{0};
  std::array<uint32_t, 4> block{};
  for (int64_t n = 0; n < count; ++n) {
    const uint64_t element = first + static_cast<uint64_t>(n * D);
    if (element / 8 != index) {
      index = element / 8;
      block = philox(dropout.key, index);
    }
    keep[n] = dropout_bits(block, element) >= threshold ? kept : F(0);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#endif  // LF_ATTENTION_DROPOUT_INL_H_
