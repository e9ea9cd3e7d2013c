// Tensors in another dtype, and values brought to the CPU.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace lf {

// The values of one-element float tensors of one device, brought to the CPU in one go: a device is waited for
// once, not for each.
std::vector<double> read_together(const std::vector<Tensor>& scalars);

// Element-by-element conversion between floating dtypes; returns x itself when the dtype is already right.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace lf
