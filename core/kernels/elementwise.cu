// The CUDA half of elementwise.cpp: bound by memory, so plain grid-stride loops do.
#include <cmath>
#include <type_traits>

#include "core/cuda/device_code.h"
#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::item_of_thread;
using lf::cuda::kLoopThreads;
using lf::cuda::launch;
using lf::cuda::loop_grid;

__device__ int64_t item_stride() { return int64_t{gridDim.x} * blockDim.x; }

template <class T>
__global__ void add_kernel(const T* a, const T* b, T* y, int64_t count) {
  using A = Accumulator<T>;
  for (int64_t i = item_of_thread(); i < count; i += item_stride())
    y[i] = static_cast<T>(static_cast<A>(a[i]) + static_cast<A>(b[i]));
}

template <class T>
__global__ void multiply_kernel(const T* a, const T* b, T* y, int64_t count) {
  using A = Accumulator<T>;
  for (int64_t i = item_of_thread(); i < count; i += item_stride())
    y[i] = static_cast<T>(static_cast<A>(a[i]) * static_cast<A>(b[i]));
}

template <class T>
__global__ void tanh_kernel(const T* x, T* y, int64_t count) {
  for (int64_t i = item_of_thread(); i < count; i += item_stride())
    y[i] = static_cast<T>(std::tanh(static_cast<Accumulator<T>>(x[i])));
}

template <class T>
__global__ void tanh_backward_kernel(const T* y, const T* dy, T* dx, int64_t count) {
  using A = Accumulator<T>;
  for (int64_t i = item_of_thread(); i < count; i += item_stride()) {
    const A t = static_cast<A>(y[i]);
    dx[i] = static_cast<T>(static_cast<A>(dy[i]) * (1 - t * t));
  }
}

template <class T>
__global__ void scale_kernel(const T* x, Accumulator<T> factor, T* y, int64_t count) {
  for (int64_t i = item_of_thread(); i < count; i += item_stride())
    y[i] = static_cast<T>(factor * static_cast<Accumulator<T>>(x[i]));
}

template <class From, class To, class Via>
__global__ void convert_kernel(const From* x, To* y, int64_t count) {
  for (int64_t i = item_of_thread(); i < count; i += item_stride())
    y[i] = static_cast<To>(static_cast<Via>(x[i]));
}

template <class From, class To, class Via>
__global__ void fill_kernel(const From* value, To* y, int64_t count) {
  for (int64_t i = item_of_thread(); i < count; i += item_stride())
    y[i] = static_cast<To>(static_cast<Via>(*value));
}

// bf16 converts to and from float only; between float and double nothing is lost on the way up.
template <class From, class To>
using Via = std::conditional_t<std::is_same_v<From, bf16> || std::is_same_v<To, bf16>, float, double>;

}  // namespace

void add(const Tensor& a, const Tensor& b, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() {
    launch(add_kernel<T>, loop_grid(y.elements()), kLoopThreads, 0, a.device_data<T>(), b.device_data<T>(),
           y.device_data<T>(), y.elements());
  });
}

void multiply(const Tensor& a, const Tensor& b, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() {
    launch(multiply_kernel<T>, loop_grid(y.elements()), kLoopThreads, 0, a.device_data<T>(),
           b.device_data<T>(), y.device_data<T>(), y.elements());
  });
}

void tanh(const Tensor& x, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() {
    launch(tanh_kernel<T>, loop_grid(y.elements()), kLoopThreads, 0, x.device_data<T>(), y.device_data<T>(),
           y.elements());
  });
}

void tanh_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  visit_float(dx.dtype(), [&]<class T>() {
    launch(tanh_backward_kernel<T>, loop_grid(dx.elements()), kLoopThreads, 0, y.device_data<T>(),
           dy.device_data<T>(), dx.device_data<T>(), dx.elements());
  });
}

void scale(const Tensor& x, double factor, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() {
    launch(scale_kernel<T>, loop_grid(y.elements()), kLoopThreads, 0, x.device_data<T>(),
           static_cast<Accumulator<T>>(factor), y.device_data<T>(), y.elements());
  });
}

void convert(const Tensor& x, Tensor& y) {
  visit_float(x.dtype(), [&]<class From>() {
    visit_float(y.dtype(), [&]<class To>() {
      launch(convert_kernel<From, To, Via<From, To>>, loop_grid(y.elements()), kLoopThreads, 0,
             x.device_data<From>(), y.device_data<To>(), y.elements());
    });
  });
}

void fill(const Tensor& value, Tensor& y) {
  visit_float(value.dtype(), [&]<class From>() {
    visit_float(y.dtype(), [&]<class To>() {
      launch(fill_kernel<From, To, Via<From, To>>, loop_grid(y.elements()), kLoopThreads, 0,
             value.device_data<From>(), y.device_data<To>(), y.elements());
    });
  });
}

}  // namespace lf::kernels::cuda
