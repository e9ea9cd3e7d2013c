// What tests can ask of the stand-in of cuBLASLt.
#pragma once

#include <cstdint>

namespace lf::simt {

// While true, no product with a fused bias, or with a fused sum for its gradient, exists, as on the real
// library for some shapes and devices.
void refuse_fused_bias(bool refuse);

// Products run, and algorithms chosen, since the program began.
struct BlasUse {
  int64_t products = 0, choices = 0, fused = 0;
};
BlasUse blas_use();

}  // namespace lf::simt
