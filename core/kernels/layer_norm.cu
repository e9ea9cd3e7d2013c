// The CUDA half of layer_norm.cpp: a warp to a row. The row is read again from the cache for every pass over
// it.
#include <algorithm>
#include <initializer_list>

#include "core/cuda/column_sums.h"
#include "core/cuda/rows.h"
#include "core/kernels/dropout_keep.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::blocks_for_rows;
using lf::cuda::for_row;
using lf::cuda::kWarp;
using lf::cuda::lane_of_warp;
using lf::cuda::launch;
using lf::cuda::map_row;
using lf::cuda::row_of_warp;
using lf::cuda::warp_sum;

constexpr int kThreads = 256;

// What normalises a row, and its parameters' and statistics' places.
template <class A>
struct Norm {
  const A *gamma, *beta;
  A epsilon;
  A *mean, *rstd;

  // y = the normalised row, by a warp.
  template <class T>
  __device__ void normalise(const T* in, int64_t row, int64_t D, T* y) const {
    const int lane = lane_of_warp();
    A sum = 0, squares = 0;
    for_row(in, D, lane, kWarp, [&](int64_t, A value) { sum += value; });
    const A centre = warp_sum(sum) / static_cast<A>(D);
    // Two passes: the one-pass variance cancels when the mean is large.
    for_row(in, D, lane, kWarp, [&](int64_t, A value) { squares += (value - centre) * (value - centre); });
    const A scale = A{1} / sqrt(warp_sum(squares) / static_cast<A>(D) + epsilon);
    map_row(in, D, lane, kWarp, y,
            [&](int64_t i, A value) { return (value - centre) * scale * gamma[i] + beta[i]; });
    if (lane == 0) mean[row] = centre, rstd[row] = scale;
  }
};

// The gradient of a row's input, element by element, once its means are known.
template <class A>
struct InputGradient {
  const A* gamma;
  A centre, scale, mean_g, mean_gn;

  template <class T>
  __device__ InputGradient(const T* in, const T* up, const A* gamma_, A mean, A rstd, int64_t D)
      : gamma(gamma_), centre(mean), scale(rstd) {
    A sum_g = 0, sum_gn = 0;
    for_row(in, D, lane_of_warp(), kWarp, [&](int64_t i, A value) {
      const A g = static_cast<A>(up[i]) * gamma[i];
      sum_g += g;
      sum_gn += g * ((value - centre) * scale);
    });
    mean_g = warp_sum(sum_g) / static_cast<A>(D), mean_gn = warp_sum(sum_gn) / static_cast<A>(D);
  }
  __device__ A operator()(int64_t i, A value, A dy) const {
    const A normalised = (value - centre) * scale;
    return scale * (dy * gamma[i] - mean_g - normalised * mean_gn);
  }
};

template <class T, class A = Accumulator<T>>
__global__ void layer_norm_kernel(const T* x, Norm<A> norm, T* y, int64_t rows, int64_t D) {
  const int64_t row = row_of_warp<kThreads>();
  if (row < rows) norm.normalise(x + row * D, row, D, y + row * D);
}

template <class T, class A = Accumulator<T>>
__global__ void input_gradient_kernel(const T* x, const A* gamma, const A* mean, const A* rstd, const T* dy,
                                      T* dx, int64_t rows, int64_t D) {
  const int64_t row = row_of_warp<kThreads>();
  if (row >= rows) return;
  const T* in = x + row * D;
  const T* up = dy + row * D;
  const InputGradient<A> gradient(in, up, gamma, mean[row], rstd[row], D);
  map_row(in, D, lane_of_warp(), kWarp, dx + row * D,
          [&](int64_t i, A value) { return gradient(i, value, static_cast<A>(up[i])); });
}

// Eight elements of a tensor of rows, of which [first, last) belong to a row.
struct Group {
  int64_t index, at;  // of the group, and of its first element
  int first, last;
  bool aligned;

  template <class T, class A = Accumulator<T>>
  __device__ void load(const T* from, A (&values)[kGroup]) const {
    if (first == 0) return lf::cuda::load_group(from + at, last, aligned, values);
    for (int i = 0; i < kGroup; ++i) values[i] = i >= first && i < last ? static_cast<A>(from[at + i]) : A{0};
  }
  template <class T, class A = Accumulator<T>>
  __device__ void store(const A (&values)[kGroup], T* to) const {
    if (first == 0) return lf::cuda::store_group(values, last, aligned, to + at);
    for (int i = 0; i < kGroup; ++i) {
      if (i >= first && i < last) to[at + i] = static_cast<T>(values[i]);
    }
  }
};

// Calls f(group) for this lane's share of the groups that hold elements of a row.
template <class F>
__device__ void for_groups(int64_t row, int64_t D, bool aligned, F&& f) {
  const int64_t begin = row * D, end = begin + D;
  for (int64_t group = begin / kGroup + lane_of_warp(); group * kGroup < end; group += kWarp) {
    const int64_t at = group * kGroup;
    f(Group{group, at, static_cast<int>(at < begin ? begin - at : 0),
            static_cast<int>(end - at < kGroup ? end - at : kGroup), aligned});
  }
}

template <class T, class A = Accumulator<T>>
__global__ void add_dropout_layer_norm_kernel(const T* residual, const T* x, Keep keep, Norm<A> norm, T* sum,
                                              T* y, int64_t rows, int64_t D, bool aligned) {
  const int64_t row = row_of_warp<kThreads>();
  if (row >= rows) return;
  for_groups(row, D, aligned, [&](const Group& group) {
    A values[kGroup], base[kGroup];
    group.load(x, values);
    keep.apply(group.index, values);
    group.load(residual, base);
    for (int i = 0; i < kGroup; ++i) values[i] += base[i];
    group.store(values, sum);
  });
  __syncwarp();  // the sums are read by other lanes
  norm.normalise(sum + row * D, row, D, y + row * D);
}

// dx is null where nothing was dropped, dsum where nothing arrived.
template <class T, class A = Accumulator<T>>
__global__ void sum_gradient_kernel(const T* sum, Keep keep, const A* gamma, const A* mean, const A* rstd,
                                    const T* dsum, const T* dy, T* dresidual, T* dx, int64_t rows, int64_t D,
                                    bool aligned) {
  const int64_t row = row_of_warp<kThreads>();
  if (row >= rows) return;
  const InputGradient<A> gradient(sum + row * D, dy + row * D, gamma, mean[row], rstd[row], D);
  for_groups(row, D, aligned, [&](const Group& group) {
    A values[kGroup], up[kGroup], more[kGroup] = {};
    group.load(sum, values);
    group.load(dy, up);
    if (dsum) group.load(dsum, more);
    for (int i = 0; i < kGroup; ++i) {
      if (i >= group.first && i < group.last)
        values[i] = gradient(group.at + i - row * D, values[i], up[i]) + more[i];
    }
    group.store(values, dresidual);
    if (!dx) return;
    keep.apply(group.index, values);
    group.store(values, dx);
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

template <class T, class A = Accumulator<T>>
void parameter_gradients(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& dy,
                         Tensor& dgamma, Tensor& dbeta) {
  const int64_t rows = x.dim(0), D = x.dim(1);
  const Tensor sums = Tensor::empty({2, D}, dgamma.dtype(), Device::cuda);
  lf::cuda::sum_columns(ParameterTerms<T>{x.device_data<T>(), dy.device_data<T>(), mean.device_data<A>(),
                                          rstd.device_data<A>(), D},
                        rows, D, sums.device_data<A>());
  dgamma.copy_from(sums.slice(0, 1).view({D}));
  dbeta.copy_from(sums.slice(1, 2).view({D}));
}

template <class A>
Norm<A> norm_of(const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& mean, Tensor& rstd) {
  return {gamma.device_data<A>(), beta.device_data<A>(), static_cast<A>(epsilon), mean.device_data<A>(),
          rstd.device_data<A>()};
}

bool all_aligned(std::initializer_list<const Tensor*> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const Tensor* tensor) {
    return !tensor->defined() || lf::cuda::aligned_for_vectors(tensor->raw());
  });
}

}  // namespace

void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& y,
                Tensor& mean, Tensor& rstd) {
  const int64_t rows = x.dim(0), D = x.dim(1);
  visit_float(x.dtype(), [&]<class T>() {
    launch(layer_norm_kernel<T>, {blocks_for_rows<kThreads>(rows)}, kThreads, 0, x.device_data<T>(),
           norm_of<Accumulator<T>>(gamma, beta, epsilon, mean, rstd), y.device_data<T>(), rows, D);
  });
}

void layer_norm_backward(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                         const Tensor& dy, Tensor& dx, Tensor& dgamma, Tensor& dbeta) {
  const int64_t rows = x.dim(0), D = x.dim(1);
  visit_float(x.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    launch(input_gradient_kernel<T>, {blocks_for_rows<kThreads>(rows)}, kThreads, 0, x.device_data<T>(),
           gamma.device_data<A>(), mean.device_data<A>(), rstd.device_data<A>(), dy.device_data<T>(),
           dx.device_data<T>(), rows, D);
    parameter_gradients<T>(x, mean, rstd, dy, dgamma, dbeta);
  });
}

void add_dropout_layer_norm(const Tensor& residual, const Tensor& x, const Dropout& drop, const Tensor& gamma,
                            const Tensor& beta, double epsilon, Tensor& sum, Tensor& y, Tensor& mean,
                            Tensor& rstd) {
  const int64_t rows = x.dim(0), D = x.dim(1);
  visit_float(x.dtype(), [&]<class T>() {
    launch(add_dropout_layer_norm_kernel<T>, {blocks_for_rows<kThreads>(rows)}, kThreads, 0,
           residual.device_data<T>(), x.device_data<T>(), keep_of(drop, sum),
           norm_of<Accumulator<T>>(gamma, beta, epsilon, mean, rstd), sum.device_data<T>(),
           y.device_data<T>(), rows, D, all_aligned({&residual, &x, &sum}));
  });
}

void add_dropout_layer_norm_backward(const Tensor& sum, const Dropout& drop, const Tensor& gamma,
                                     const Tensor& mean, const Tensor& rstd, const Tensor& dsum,
                                     const Tensor& dy, Tensor& dresidual, Tensor& dx, Tensor& dgamma,
                                     Tensor& dbeta) {
  const int64_t rows = sum.dim(0), D = sum.dim(1);
  visit_float(sum.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    launch(sum_gradient_kernel<T>, {blocks_for_rows<kThreads>(rows)}, kThreads, 0, sum.device_data<T>(),
           keep_of(drop, sum), gamma.device_data<A>(), mean.device_data<A>(), rstd.device_data<A>(),
           dsum.defined() ? dsum.device_data<T>() : nullptr, dy.device_data<T>(), dresidual.device_data<T>(),
           drop.active() ? dx.device_data<T>() : nullptr, rows, D,
           all_aligned({&sum, &dsum, &dy, &dresidual, &dx}));
    parameter_gradients<T>(sum, mean, rstd, dy, dgamma, dbeta);
  });
}

}  // namespace lf::kernels::cuda
