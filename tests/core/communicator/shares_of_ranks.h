// What ranks bring to a sum, so that its order shows.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.h"

namespace lf {

// What a rank brings at an element: numbers whose sum depends on the order of its terms.
inline float share(int rank, int64_t i) {
  const RandomKey key{.seed = static_cast<uint64_t>(rank), .use = kSamplingUse, .step = 0};
  return uniform(key, static_cast<uint64_t>(i)) * (rank % 2 == 0 ? 1e6f : -1e-3f);
}

inline std::vector<float> shares(int rank, int64_t count) {
  std::vector<float> result;
  for (int64_t i = 0; i < count; ++i) result.push_back(share(rank, i));
  return result;
}

}  // namespace lf
