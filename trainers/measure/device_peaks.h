// How fast a device could be, and how much of that a model's training reaches.
#pragma once

#include <optional>
#include <string>

#include "core/device.h"
#include "core/dtype.h"

namespace lf {

// Operations per second that NVIDIA publishes for a device, by the name that its driver gives it: dense
// products on tensor cores for bf16, plain f32 (no TF32, which Longform does not use) otherwise. Nothing for
// devices that are not known, for CPUs and for f64.
std::optional<double> published_peak(const std::string& device_name, DType dtype);

// The same for the device that runs here.
std::optional<double> peak_of(Device device, DType dtype);

}  // namespace lf
