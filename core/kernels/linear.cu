// The CUDA half of linear.cpp: products by cuBLASLt, with the bias added where they are written, and sums
// over rows.
#include "core/cuda/column_sums.h"
#include "core/cuda/matmul.h"
#include "core/cuda/rows.h"
#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::blocks_for_rows;
using lf::cuda::kWarp;
using lf::cuda::lane_of_warp;
using lf::cuda::launch;
using lf::cuda::multiply;
using lf::cuda::Product;
using lf::cuda::row_of_warp;

constexpr int kThreads = 256;

// y[n] += bias, a warp to a row.
template <class T>
__global__ void add_bias_kernel(const Accumulator<T>* bias, T* y, int64_t rows, int64_t columns) {
  const int64_t row = row_of_warp<kThreads>();
  if (row >= rows) return;
  lf::cuda::map_row(y + row * columns, columns, lane_of_warp(), kWarp, y + row * columns,
                    [&](int64_t i, Accumulator<T> value) { return value + bias[i]; });
}

}  // namespace

void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  const Product product{x.dim(0), weight.dim(0), x.dim(1), false, true};
  // Fused, the bias has the dtype of the result. Double serves checks, where nothing need be fused.
  if (bias.defined() && y.dtype() != DType::f64) {
    if (lf::cuda::multiply_and_add_bias(product, x, weight, cast(bias, y.dtype()), y)) return;
  }
  multiply(product, x, weight, y);
  if (bias.defined()) add_bias(bias, y);
}

void add_bias(const Tensor& bias, Tensor& y) {
  const int64_t rows = y.dim(0), columns = y.dim(1);
  visit_float(y.dtype(), [&]<class T>() {
    launch(add_bias_kernel<T>, {blocks_for_rows<kThreads>(rows)}, kThreads, 0,
           bias.device_data<Accumulator<T>>(), y.device_data<T>(), rows, columns);
  });
}

void linear_backward_input(const Tensor& weight, const Tensor& dy, Tensor& dx) {
  multiply({dy.dim(0), weight.dim(1), weight.dim(0), false, false}, dy, weight, dx);
}

void linear_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight, Tensor& dbias) {
  const Product product{dy.dim(1), x.dim(1), x.dim(0), true, false};
  // The sums that a product makes on its way have the dtype of its result.
  if (dbias.defined() && dbias.dtype() == dweight.dtype() && dbias.dtype() != DType::f64) {
    if (lf::cuda::multiply_and_sum(product, dy, x, dweight, dbias)) return;
  }
  multiply(product, dy, x, dweight);
  if (dbias.defined()) column_sums(dy, dbias);
}

void column_sums(const Tensor& dy, Tensor& sums) {
  visit_float(dy.dtype(), [&]<class T>() {
    lf::cuda::sum_columns(lf::cuda::MatrixTerms<T>{dy.device_data<T>(), dy.dim(1)}, dy.dim(0), dy.dim(1),
                          sums.device_data<Accumulator<T>>());
  });
}

void batched_matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, Tensor& y) {
  const int64_t K = transpose_a ? a.dim(1) : a.dim(2);
  multiply({y.dim(1), y.dim(2), K, transpose_a, transpose_b, y.dim(0)}, a, b, y);
}

}  // namespace lf::kernels::cuda
