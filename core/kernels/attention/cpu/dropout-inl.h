// Dropout decisions of one row of keys: Philox (core/random.h) with one block per vector lane, for one SIMD
// target.
#if defined(LF_ATTENTION_DROPOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_ATTENTION_DROPOUT_INL_H_
#undef LF_ATTENTION_DROPOUT_INL_H_
#else
#define LF_ATTENTION_DROPOUT_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/random.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int64_t kDropoutLanes = 16;  // blocks drawn at once, at most

#if HWY_TARGET != HWY_SCALAR
// The halves of the 64-bit products factor * x.
template <class D>
HWY_INLINE void multiply_wide(D d, hn::Vec<D> x, uint32_t factor, hn::Vec<D>& low, hn::Vec<D>& high) {
  const hn::RepartitionToWide<D> wide;
  const auto y = hn::Set(d, factor);
  const auto even = hn::MulEven(x, y);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, x))), y);
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
}

// words[4 n .. 4 n + 4) = philox(key, index_high[n] : index_low[n]) for one vector of n.
template <class D>
HWY_INLINE void philox_vector(D d, const RandomKey& key, const uint32_t* index_low,
                              const uint32_t* index_high, uint32_t* words) {
  auto c0 = hn::Load(d, index_low), c1 = hn::Load(d, index_high);
  auto c2 = hn::Set(d, static_cast<uint32_t>(key.step));
  auto c3 = hn::Set(d, static_cast<uint32_t>(key.step >> 32) ^ (key.use << 8));
  uint32_t k0 = static_cast<uint32_t>(key.seed) ^ (key.use * 0x85EBCA6Bu);
  uint32_t k1 = static_cast<uint32_t>(key.seed >> 32) ^ key.use;
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    auto low0 = c0, high0 = c0, low1 = c2, high1 = c2;
    multiply_wide(d, c0, 0xD2511F53u, low0, high0);
    multiply_wide(d, c2, 0xCD9E8D57u, low1, high1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, k0));
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, k1));
    c1 = low1;
    c3 = low0;
  }
  hn::StoreInterleaved4(c0, c1, c2, c3, d, words);
}

#else  // one lane, which cannot be widened
template <class D>
HWY_INLINE void philox_vector(D, const RandomKey& key, const uint32_t* index_low, const uint32_t* index_high,
                              uint32_t* words) {
  const auto block = philox(key, uint64_t{*index_high} << 32 | *index_low);
  std::copy(block.begin(), block.end(), words);
}
#endif

// keep[n] = 0 or 1 / (1 - p) for element first + n * D of the stream, n < count.
template <class F>
HWY_INLINE void keep_factors(const Dropout& dropout, uint64_t first, int64_t D, int64_t count, F* keep) {
  const hn::CappedTag<uint32_t, kDropoutLanes> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const uint32_t threshold = dropout_threshold(dropout.probability);
  const F kept = static_cast<F>(1.0 / (1.0 - dropout.probability));
  HWY_ALIGN uint32_t low[kDropoutLanes];
  HWY_ALIGN uint32_t high[kDropoutLanes];
  HWY_ALIGN uint32_t words[4 * kDropoutLanes];
  uint16_t bits[8 * kDropoutLanes];
  // Eight elements share a block. Close elements: one vector of consecutive blocks serves many. Far ones: a
  // block each.
  const bool close = D < 8;
  for (int64_t n = 0; n < count;) {
    const uint64_t element = first + static_cast<uint64_t>(n * D), block = element / 8;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const uint64_t index = close ? block + lane : (element + static_cast<uint64_t>(lane * D)) / 8;
      low[lane] = static_cast<uint32_t>(index);
      high[lane] = static_cast<uint32_t>(index >> 32);
    }
    philox_vector(d, dropout.key, low, high, words);
    std::memcpy(bits, words, sizeof(bits));  // little-endian: element e of a block is its e-th half word
    const int64_t offset = static_cast<int64_t>(element % 8);
    if (D == 1) {
      const int64_t served = std::min(count - n, 8 * lanes - offset);
      for (int64_t m = 0; m < served; ++m) keep[n + m] = bits[offset + m] >= threshold ? kept : F(0);
      n += served;
    } else if (close) {
      const int64_t served = std::min(count - n, (8 * lanes - 1 - offset) / D + 1);
      for (int64_t m = 0; m < served; ++m) keep[n + m] = bits[offset + m * D] >= threshold ? kept : F(0);
      n += served;
    } else {
      const int64_t served = std::min(count - n, lanes);
      for (int64_t m = 0; m < served; ++m) {
        const int64_t place = static_cast<int64_t>((element + static_cast<uint64_t>(m * D)) % 8);
        keep[n + m] = bits[8 * m + place] >= threshold ? kept : F(0);
      }
      n += served;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#endif  // LF_ATTENTION_DROPOUT_INL_H_
