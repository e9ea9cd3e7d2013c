// Operands of measurements. Numbers that are all the same would flatter a device: it needs less power for
// them and so keeps a higher clock.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace lf {

// Uniform in [-1, 1); each `stream` has its own numbers.
Tensor random_tensor(const Shape& shape, DType dtype, uint64_t stream, Device device);

}  // namespace lf
