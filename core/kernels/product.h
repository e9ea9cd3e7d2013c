// Matrix products on the CPU. Single precision and bf16 go to oneDNN tile by tile; double, which only serves
// gradient checks, to a plain blocked loop.
#pragma once

#include "core/dtype.h"
#include "core/kernels/product_tiles.h"

namespace lf::kernels {

void multiply(const Product& p, const float* a, const float* b, float* c);
void multiply(const Product& p, const double* a, const double* b, double* c);
void multiply(const Product& p, const bf16* a, const bf16* b, float* c);
void multiply(const Product& p, const bf16* a, const bf16* b, bf16* c);

// Bytes that multiply() has for itself while it runs, beside oneDNN's.
int64_t product_scratch(const Product& p, DType operands, DType result);

}  // namespace lf::kernels
