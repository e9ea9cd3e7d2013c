// Products of a few rows with a matrix that is read once, as a decoder's step makes them.
#pragma once

#include "core/kernels/product_tiles.h"

namespace lf::kernels {

// Whether multiply_few_rows() is the way to compute the product: C = A B^T with few rows of A. Depends on the
// shape alone.
bool has_few_rows(const Product& p);

// C (M,N) = A (M,K) times the transpose of B (N,K). B is read where it is: to pack it, as a large product
// does, costs more than a few rows' arithmetic. Every element is one sum over K in order, so a row's result
// depends neither on the other rows nor on the number of threads.
void multiply_few_rows(const Product& p, const float* a, const float* b, float* c);

// Bytes that it has for itself.
int64_t few_rows_scratch(const Product& p);

}  // namespace lf::kernels
