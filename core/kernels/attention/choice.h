// Which attention kernels a device runs: on tensor cores, or the plain ones, which are for checks.
#pragma once

#include <cstdint>
#include <string>

#include "core/dtype.h"

namespace lf {

// Why attention on a GPU with tensors of this type and heads of width K would run on the plain kernels; empty
// where tensor cores serve it. `shared_bytes`: what the device has for a block; 0: unknown, which is enough.
std::string why_plain_attention(DType dtype, int64_t K, bool relative, int64_t shared_bytes);

namespace kernels::cuda {

// Shared memory that a block needs, the most of all tensor-core kernels for this head width (which must have
// such kernels). Ada's devices have 99 KiB, too little for the widest heads with relative positions.
int64_t tensor_core_shared_bytes(int64_t K, bool relative);

}  // namespace kernels::cuda
}  // namespace lf
