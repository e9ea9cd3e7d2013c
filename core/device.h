// Where a tensor lives. One process drives one device of each kind, and plans on one that only counts.
#pragma once

#include <string>
#include <vector>

#include "core/check.h"

namespace lf {

// plan: nothing is allocated or computed; what another device would need is counted (core/plan.h).
enum class Device { cpu, cuda, plan };

// Those that a user can choose.
inline std::vector<std::string> names_of(Device) { return {"cpu", "cuda"}; }

#ifdef LF_CUDA
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

// Throws an Error that names the remedy where the device is not in this build, or not there.
void require(Device device);

// Returns when the device has done everything that was started on it.
void synchronize(Device device);

inline const char* name(Device device) {
  return device == Device::cpu ? "cpu" : device == Device::cuda ? "cuda" : "plan";
}

}  // namespace lf

// As the last statement of a function: returns cuda::fn(...) or cpu::fn(...) by device. A build without CUDA
// discards the CUDA call, so it needs no stub. On Device::plan the call is counted (core/plan_kernel.h).
#define LF_DISPATCH(device, fn, ...)                         \
  do {                                                       \
    const ::lf::Device lf_device = (device);                 \
    if (lf_device == ::lf::Device::plan) {                   \
      return ::lf::plan_kernel(                              \
          #fn,                                               \
          [](::lf::Device lf_real, auto&&... lf_arguments) { \
            LF_DISPATCH_REAL(lf_real, fn, lf_arguments...);  \
          },                                                 \
          __VA_ARGS__);                                      \
    }                                                        \
    LF_DISPATCH_REAL(lf_device, fn, __VA_ARGS__);            \
  } while (0)

#define LF_DISPATCH_REAL(device, fn, ...)                             \
  if constexpr (::lf::kHasCuda) {                                     \
    if ((device) == ::lf::Device::cuda) return cuda::fn(__VA_ARGS__); \
  }                                                                   \
  return cpu::fn(__VA_ARGS__)
