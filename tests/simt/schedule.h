// What tests of the device ask of the host executor, and what a GPU decides by itself.
#pragma once

#include <cstdint>

#ifdef LF_SIMULATED_CUDA
#include "tests/simt/executor.h"
#endif

namespace lf {

// Warps and lanes run in another order from the next kernel on, where a program has a say in that.
inline void seed_schedule([[maybe_unused]] uint64_t seed) {
#ifdef LF_SIMULATED_CUDA
  simt::seed_scheduler(seed);
#endif
}

}  // namespace lf
