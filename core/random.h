// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
// 3"). Bits are a pure function of (seed, use, step, element), so CPU and CUDA, the first pass and its
// recomputation, and an interrupted and an uninterrupted run draw the same ones, and nobody stores a
// generator's state.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace lf {

// Names one stream of random bits: the run's seed, the place in the program that draws, and the step of the
// run.
struct RandomKey {
  uint64_t seed = 0;
  uint32_t use = 0;   // a fixed number per dropout site or purpose, never a running counter
  uint64_t step = 0;  // micro-batches count: two forwards of one update must differ
};

// The `use` of everything but dropout; dropout sites count from kFirstDropoutUse (see the models).
inline constexpr uint32_t kInitialUse = 1, kSamplingUse = 2, kMaskingUse = 3, kBootstrapUse = 4,
                          kFirstDropoutUse = 16;

// The four 32-bit words of block `index` of the stream.
LF_HOST_DEVICE inline std::array<uint32_t, 4> philox(const RandomKey& key, uint64_t index) {
  std::array<uint32_t, 4> c{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                            static_cast<uint32_t>(key.step),
                            static_cast<uint32_t>(key.step >> 32) ^ (key.use << 8)};
  uint32_t k0 = static_cast<uint32_t>(key.seed) ^ (key.use * 0x85EBCA6Bu);
  uint32_t k1 = static_cast<uint32_t>(key.seed >> 32) ^ key.use;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// Uniform in (0, 1), 23 bits: with 24 the largest would round to 1.
LF_HOST_DEVICE inline float uniform(const RandomKey& key, uint64_t element) {
  return (static_cast<float>(philox(key, element / 4)[element % 4] >> 9) + 0.5f) * 0x1p-23f;
}

// Standard normal (Box-Muller over two words of the element's own block).
inline double normal(const RandomKey& key, uint64_t element) {
  const auto words = philox(key, element);
  const double radius = std::sqrt(-2.0 * std::log((words[0] + 0.5) * 0x1p-32));
  return radius * std::cos(2.0 * 3.14159265358979323846 * (words[1] + 0.5) * 0x1p-32);
}

// Dropout draws 16 bits per element, eight elements to a block: element e is kept when its bits are at least
// threshold(p). The probability is therefore rounded to a multiple of 1/65536.
inline uint32_t dropout_threshold(double probability) {
  return static_cast<uint32_t>(std::lround(probability * 65536.0));
}
LF_HOST_DEVICE inline uint32_t dropout_bits(const std::array<uint32_t, 4>& block, uint64_t element) {
  return (block[(element % 8) / 2] >> (16 * (element % 2))) & 0xffffu;
}

// The dropout settings of one op call: probability 0 means none.
struct Dropout {
  double probability = 0.0;
  RandomKey key;
  // Where the tensor's first row, of its last axis, stands in a larger whole whose bits it draws. Attention
  // has origins of its own.
  int64_t first_row = 0;

  LF_HOST_DEVICE bool active() const { return probability > 0.0; }
};

}  // namespace lf
