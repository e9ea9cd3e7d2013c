// Matrix products through cuBLASLt.
#pragma once

#include "core/tensor.h"

namespace lf::cuda {

// C (M,N) = A (M,K) B (K,N), row-major, `batches` of them one behind the other; `transpose` means that the
// matrix is stored the other way round.
struct Product {
  int64_t M, N, K;
  bool transpose_a, transpose_b;
  int64_t batches = 1;
};

// c = a b. Operands have one floating dtype, the result its own; sums are f32 (f64 for f64), never of a
// narrower type, and in an order that depends on shapes and addresses' alignment alone. K = 0 gives zeros. An
// Error where the library has no such product.
void multiply(const Product& product, const Tensor& a, const Tensor& b, Tensor& c);

// c = a b + bias in every row; bias (N) of c's dtype. False, and nothing of use in c, where the library has
// no such product.
bool multiply_and_add_bias(const Product& product, const Tensor& a, const Tensor& b, const Tensor& bias,
                           Tensor& c);

// c = a b, and in the same pass sums (M) = the sum of each of a's M rows over its K elements, of c's dtype.
// False, and nothing of use in either, where the library has no such product.
bool multiply_and_sum(const Product& product, const Tensor& a, const Tensor& b, Tensor& c, Tensor& sums);

}  // namespace lf::cuda
