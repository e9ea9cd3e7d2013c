// Every kernel of the ground floor. A family NAME is core/kernels/NAME.cpp (namespace cpu) and, where there
// is CUDA, NAME.cu (namespace cuda); the public function of the same name picks by device. menu.inc declares
// them once.
#pragma once

#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace lf::kernels {

// Settings of one AdamW update.
struct AdamW {
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  int64_t step = 1;             // counts from 1: the bias correction's exponent
  double gradient_scale = 1.0;  // clipping, applied on the way in
};

#include "core/kernels/menu.inc"

namespace cpu {
#include "core/kernels/menu.inc"
}
namespace cuda {
#include "core/kernels/menu.inc"
}

}  // namespace lf::kernels
