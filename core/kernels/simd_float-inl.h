// Highway pieces shared by the float kernels: loads and stores of float and bf16 as float vectors, and Philox
// bits. Included once per SIMD target, after foreach_target.h.
#if defined(LF_SIMD_FLOAT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_SIMD_FLOAT_INL_H
#undef LF_SIMD_FLOAT_INL_H
#else
#define LF_SIMD_FLOAT_INL_H
#endif

#include "core/dtype.h"
#include "core/random.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lf::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

HWY_INLINE FloatVector load(FloatTag d, const float* p) { return hn::LoadU(d, p); }
HWY_INLINE void store(FloatVector v, FloatTag d, float* p) { hn::StoreU(v, d, p); }

HWY_INLINE FloatVector load(FloatTag d, const bf16* p) {
  const hn::RebindToUnsigned<FloatTag> du;
  const hn::Rebind<uint16_t, FloatTag> dh;
  const auto half = hn::LoadU(dh, reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, half)));
}
// Rounds to nearest even, like bf16::round; a NaN stays one.
HWY_INLINE void store(FloatVector v, FloatTag /*d*/, bf16* p) {
  const hn::RebindToUnsigned<FloatTag> du;
  const hn::RebindToSigned<FloatTag> di;
  const hn::Rebind<uint16_t, FloatTag> dh;
  const auto word = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(du, 1u));
  const auto rounded = hn::Add(word, hn::Add(odd, hn::Set(du, 0x7fffu)));
  const auto quiet = hn::Or(word, hn::Set(du, 0x400000u));
  const auto upper = hn::ShiftRight<16>(hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(v)), quiet, rounded));
  hn::StoreU(hn::DemoteTo(dh, hn::BitCast(di, upper)), dh, reinterpret_cast<uint16_t*>(p));
}

// The first `count` (at most the vector's lanes) elements at p as a vector; the other lanes are zero.
template <class T>
HWY_INLINE FloatVector load_first(FloatTag d, const T* p, size_t count) {
  T padded[HWY_MAX_BYTES / sizeof(float)] = {};
  for (size_t i = 0; i < count; ++i) padded[i] = p[i];
  return load(d, padded);
}
template <class T>
HWY_INLINE void store_first(FloatVector v, FloatTag d, T* p, size_t count) {
  T padded[HWY_MAX_BYTES / sizeof(float)];
  store(v, d, padded);
  for (size_t i = 0; i < count; ++i) p[i] = padded[i];
}

// 16 random bits for each of the 8 * blocks elements from block `first` on, in element order (core/random.h).
// `bits` has room for a whole number of vectors of blocks (kBlockPadding more blocks are written at most).
inline constexpr size_t kBlockPadding = HWY_MAX_BYTES / sizeof(uint32_t);
#if HWY_TARGET == HWY_SCALAR
inline void philox_bits(const RandomKey& key, uint64_t first, size_t blocks, uint16_t* bits) {
  for (size_t i = 0; i < 8 * blocks; ++i)
    bits[i] = static_cast<uint16_t>(dropout_bits(philox(key, first + i / 8), i));
}
#else
// Upper halves of the products of 32-bit lanes.
template <class VU>
HWY_INLINE VU multiply_high(VU a, VU b) {
  const hn::DFromV<VU> du;
  const hn::RepartitionToWide<decltype(du)> dw;
  const auto even = hn::BitCast(du, hn::ShiftRight<32>(hn::MulEven(a, b)));
  const auto a_odd = hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(dw, a)));
  const auto b_odd = hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(dw, b)));
  return hn::OddEven(hn::BitCast(du, hn::MulEven(a_odd, b_odd)), even);
}

inline void philox_bits(const RandomKey& key, uint64_t first, size_t blocks, uint16_t* bits) {
  const hn::ScalableTag<uint32_t> du;
  const size_t lanes = hn::Lanes(du);
  const auto high_multiplier = hn::Set(du, 0xD2511F53u), low_multiplier = hn::Set(du, 0xCD9E8D57u);
  for (size_t block = 0; block < blocks; block += lanes) {
    const uint64_t index = first + block;
    auto c0 = hn::Add(hn::Iota(du, 0), hn::Set(du, static_cast<uint32_t>(index)));
    const auto carried = hn::Lt(c0, hn::Set(du, static_cast<uint32_t>(index)));
    auto c1 = hn::Set(du, static_cast<uint32_t>(index >> 32));
    c1 = hn::IfThenElse(carried, hn::Add(c1, hn::Set(du, 1u)), c1);
    auto c2 = hn::Set(du, static_cast<uint32_t>(key.step));
    auto c3 = hn::Set(du, static_cast<uint32_t>(key.step >> 32) ^ (key.use << 8));
    uint32_t k0 = static_cast<uint32_t>(key.seed) ^ (key.use * 0x85EBCA6Bu);
    uint32_t k1 = static_cast<uint32_t>(key.seed >> 32) ^ key.use;
    for (int round = 0; round < 10; ++round) {
      const auto h0 = multiply_high(c0, high_multiplier), l0 = hn::Mul(c0, high_multiplier);
      const auto h1 = multiply_high(c2, low_multiplier), l1 = hn::Mul(c2, low_multiplier);
      c0 = hn::Xor(hn::Xor(h1, c1), hn::Set(du, k0));
      c1 = l1;
      c2 = hn::Xor(hn::Xor(h0, c3), hn::Set(du, k1));
      c3 = l0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    hn::StoreInterleaved4(c0, c1, c2, c3, du, reinterpret_cast<uint32_t*>(bits + 8 * block));
  }
}
#endif

}  // namespace lf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
