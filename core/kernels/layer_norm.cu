// The CUDA half of layer_norm.cpp: a warp to a row. The row is read again from the cache for every pass over
// it.
#include "core/cuda/column_sums.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::for_row;
using lf::cuda::kWarp;
using lf::cuda::launch;
using lf::cuda::map_row;
using lf::cuda::warp_sum;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

__device__ int64_t row_of_warp() { return int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp; }
__device__ int lane_of_warp() { return static_cast<int>(threadIdx.x % kWarp); }
int64_t blocks_for(int64_t rows) { return (rows + kWarps - 1) / kWarps; }

template <class T, class A = Accumulator<T>>
__global__ void layer_norm_kernel(const T* x, const A* gamma, const A* beta, A epsilon, T* y, A* mean,
                                  A* rstd, int64_t rows, int64_t D) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const T* in = x + row * D;
  const int lane = lane_of_warp();
  A sum = 0, squares = 0;
  for_row(in, D, lane, kWarp, [&](int64_t, A value) { sum += value; });
  const A centre = warp_sum(sum) / static_cast<A>(D);
  // Two passes: the one-pass variance cancels when the mean is large.
  for_row(in, D, lane, kWarp, [&](int64_t, A value) { squares += (value - centre) * (value - centre); });
  const A scale = A{1} / sqrt(warp_sum(squares) / static_cast<A>(D) + epsilon);
  map_row(in, D, lane, kWarp, y + row * D,
          [&](int64_t i, A value) { return (value - centre) * scale * gamma[i] + beta[i]; });
  if (lane == 0) mean[row] = centre, rstd[row] = scale;
}

template <class T, class A = Accumulator<T>>
__global__ void input_gradient_kernel(const T* x, const A* gamma, const A* mean, const A* rstd, const T* dy,
                                      T* dx, int64_t rows, int64_t D) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const T* in = x + row * D;
  const T* up = dy + row * D;
  const int lane = lane_of_warp();
  const A centre = mean[row], scale = rstd[row];
  A sum_g = 0, sum_gn = 0;
  for_row(in, D, lane, kWarp, [&](int64_t i, A value) {
    const A g = static_cast<A>(up[i]) * gamma[i];
    sum_g += g;
    sum_gn += g * ((value - centre) * scale);
  });
  const A mean_g = warp_sum(sum_g) / static_cast<A>(D), mean_gn = warp_sum(sum_gn) / static_cast<A>(D);
  map_row(in, D, lane, kWarp, dx + row * D, [&](int64_t i, A value) {
    const A normalised = (value - centre) * scale;
    return scale * (static_cast<A>(up[i]) * gamma[i] - mean_g - normalised * mean_gn);
  });
}

// The terms of dgamma and dbeta.
template <class T>
struct ParameterTerms {
  using Sum = Accumulator<T>;
  static constexpr int kCount = 2;
  const T* x;
  const T* dy;
  const Sum* mean;
  const Sum* rstd;
  int64_t D;

  __device__ void operator()(int64_t row, int64_t column, Sum (&sums)[2]) const {
    const auto up = static_cast<Sum>(dy[row * D + column]);
    sums[0] += up * ((static_cast<Sum>(x[row * D + column]) - mean[row]) * rstd[row]);
    sums[1] += up;
  }
};

}  // namespace

void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& y,
                Tensor& mean, Tensor& rstd) {
  const int64_t rows = x.dim(0), D = x.dim(1);
  visit_float(x.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    launch(layer_norm_kernel<T>, {blocks_for(rows)}, kThreads, 0, x.device_data<T>(), gamma.device_data<A>(),
           beta.device_data<A>(), static_cast<A>(epsilon), y.device_data<T>(), mean.device_data<A>(),
           rstd.device_data<A>(), rows, D);
  });
}

void layer_norm_backward(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                         const Tensor& dy, Tensor& dx, Tensor& dgamma, Tensor& dbeta) {
  const int64_t rows = x.dim(0), D = x.dim(1);
  visit_float(x.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    launch(input_gradient_kernel<T>, {blocks_for(rows)}, kThreads, 0, x.device_data<T>(),
           gamma.device_data<A>(), mean.device_data<A>(), rstd.device_data<A>(), dy.device_data<T>(),
           dx.device_data<T>(), rows, D);
    const Tensor sums = Tensor::empty({2, D}, dgamma.dtype(), Device::cuda);
    lf::cuda::sum_columns(ParameterTerms<T>{x.device_data<T>(), dy.device_data<T>(), mean.device_data<A>(),
                                            rstd.device_data<A>(), D},
                          rows, D, sums.device_data<A>());
    dgamma.copy_from(sums.slice(0, 1).view({D}));
    dbeta.copy_from(sums.slice(1, 2).view({D}));
  });
}

}  // namespace lf::kernels::cuda
