// Dropout in CUDA kernels that pass over memory: eight consecutive elements at a time, because eight share
// one block of random bits.
#pragma once

#include "core/cuda/device_code.h"
#include "core/kernels/placed_dropout.h"
#include "core/random.h"

namespace lf::kernels::cuda {

inline constexpr int kGroup = 8;

// Which of eight elements stay, and what they are multiplied by.
struct Keep {
  RandomKey key;
  uint32_t threshold;
  double factor;
  bool active;
  uint64_t first_group;  // of the tensor in the whole

  // Multiplies the group's values by 1 / (1 - p) or by zero.
  template <class A>
  __device__ void apply(int64_t group, A (&values)[kGroup]) const {
    if (!active) return;
    const std::array<uint32_t, 4> block = philox(key, first_group + static_cast<uint64_t>(group));
    for (int i = 0; i < kGroup; ++i) {
      const bool kept = dropout_bits(block, static_cast<uint64_t>(i)) >= threshold;
      values[i] = kept ? values[i] * static_cast<A>(factor) : A{0};
    }
  }
};

// Of x, or of a tensor of its shape.
inline Keep keep_of(const Dropout& drop, const Tensor& x) {
  if (!drop.active()) return {drop.key, 0, 1.0, false, 0};
  return {drop.key, dropout_threshold(drop.probability), 1.0 / (1.0 - drop.probability), true,
          PlacedDropout(drop, x).first_block};
}

}  // namespace lf::kernels::cuda
