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

// c = a b, and + bias in every row where one is given: (N) of c's dtype. Operands have one floating dtype,
// the result its own; sums are f32 (f64 for f64), never of a narrower type, and in an order that depends on
// shapes and addresses' alignment alone. K = 0 gives zeros. False, and nothing of use in c, where the library
// has no product of these shapes with a bias; without one the same is an Error.
bool multiply(const Product& product, const Tensor& a, const Tensor& b, const Tensor& bias, Tensor& c);

}  // namespace lf::cuda
