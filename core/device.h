// Where a tensor lives. One process drives one device of each kind.
#pragma once

#include "core/check.h"

namespace lf {

enum class Device { cpu, cuda };

#ifdef LF_CUDA
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

// Throws an Error that names the remedy where the device is not in this build, or not there.
void require(Device device);

// Returns when the device has done everything that was started on it.
void synchronize(Device device);

inline const char* name(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

}  // namespace lf

// As the last statement of a function: returns cuda::fn(...) or cpu::fn(...) by device. A build without CUDA
// discards the CUDA call, so it needs no stub.
#define LF_DISPATCH(device, fn, ...)                                    \
  do {                                                                  \
    if constexpr (::lf::kHasCuda) {                                     \
      if ((device) == ::lf::Device::cuda) return cuda::fn(__VA_ARGS__); \
    }                                                                   \
    return cpu::fn(__VA_ARGS__);                                        \
  } while (0)
