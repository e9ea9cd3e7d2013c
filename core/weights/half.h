// float16 (IEEE binary16), which files may hold and this program does not compute in.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace lf {

// The exact value; a NaN keeps its sign and payload.
inline float float_of_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero and the subnormals: multiples of 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  const uint32_t wide = exponent == 0x1f ? 0xffu : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

// As many floats as the bytes hold halves.
inline void widen_halves(std::span<const uint8_t> halves, float* destination) {
  for (size_t i = 0; i < halves.size() / 2; ++i) {
    uint16_t half = 0;
    std::memcpy(&half, halves.data() + 2 * i, sizeof half);
    destination[i] = float_of_half(half);
  }
}

}  // namespace lf
