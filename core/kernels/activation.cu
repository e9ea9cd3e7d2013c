// The CUDA half of activation.cpp: one pass over memory, eight elements to a thread, because eight share one
// block of random bits.
#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/cuda/vectors.h"
#include "core/kernels/dropout_keep.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::aligned_for_vectors;
using lf::cuda::item_of_thread;
using lf::cuda::launch;

// exp(-x^2 / 2) and the distribution function, which shares it: Abramowitz & Stegun 7.1.26, as on the CPU.
struct NormalParts {
  float density_times_root, distribution;
};
__device__ NormalParts normal_parts(float x) {
  const float z = fabsf(x) * 0.70710678118654752f;
  const float e = __expf(-z * z);
  const float t = __fdividef(1.0f, 1.0f + 0.3275911f * z);
  float polynomial = 1.061405429f;
  polynomial = polynomial * t - 1.453152027f;
  polynomial = polynomial * t + 1.421413741f;
  polynomial = polynomial * t - 0.284496736f;
  polynomial = polynomial * t + 0.254829592f;
  const float tail = 0.5f * polynomial * t * e;  // of -|x|
  return {e, x < 0 ? tail : 1.0f - tail};
}

struct Identity {
  template <class A>
  __device__ A operator()(A x, A) const {
    return x;
  }
};
struct Gelu {
  __device__ float operator()(float x, float) const { return x * normal_parts(x).distribution; }
  __device__ double operator()(double x, double) const { return x * 0.5 * erfc(-x * 0.70710678118654752440); }
};
struct GeluBackward {
  __device__ float operator()(float x, float dy) const {
    const NormalParts parts = normal_parts(x);
    return dy * (parts.distribution + x * 0.39894228040143268f * parts.density_times_root);
  }
  __device__ double operator()(double x, double dy) const {
    return dy * (0.5 * erfc(-x * 0.70710678118654752440) + x * 0.39894228040143267794 * exp(-0.5 * x * x));
  }
};

// y = keep(f(a, b)) + residual; b and residual may be null.
template <class T, class F>
__global__ void masked_map(const T* a, const T* b, const T* residual, T* y, int64_t count, Keep keep,
                           bool aligned, F f) {
  using A = Accumulator<T>;
  const int64_t groups = (count + kGroup - 1) / kGroup;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t group = item_of_thread(); group < groups; group += stride) {
    const int64_t at = group * kGroup, left = count - at;
    A x[kGroup], second[kGroup] = {}, base[kGroup] = {};
    lf::cuda::load_group(a + at, left, aligned, x);
    if (b) lf::cuda::load_group(b + at, left, aligned, second);
    if (residual) lf::cuda::load_group(residual + at, left, aligned, base);
    for (int i = 0; i < kGroup; ++i) x[i] = f(x[i], b ? second[i] : x[i]);
    keep.apply(group, x);
    if (residual) {
      for (int i = 0; i < kGroup; ++i) x[i] += base[i];
    }
    lf::cuda::store_group(x, left, aligned, y + at);
  }
}

template <class F>
void launch_map(const Tensor& a, const Tensor* b, const Tensor* residual, const Dropout& drop, Tensor& y,
                F f) {
  bool aligned = aligned_for_vectors(a.raw()) && aligned_for_vectors(y.raw());
  if (b) aligned = aligned && aligned_for_vectors(b->raw());
  if (residual) aligned = aligned && aligned_for_vectors(residual->raw());
  const int64_t count = y.elements();
  visit_float(y.dtype(), [&]<class T>() {
    launch(masked_map<T, F>, lf::cuda::loop_grid((count + kGroup - 1) / kGroup), lf::cuda::kLoopThreads, 0,
           a.device_data<T>(), b ? b->device_data<T>() : nullptr,
           residual ? residual->device_data<T>() : nullptr, y.device_data<T>(), count, keep_of(drop, y),
           aligned, f);
  });
}

}  // namespace

void dropout(const Tensor& x, const Dropout& drop, Tensor& y) {
  launch_map(x, nullptr, nullptr, drop, y, Identity());
}

void add_dropout(const Tensor& residual, const Tensor& x, const Dropout& drop, Tensor& y) {
  launch_map(x, nullptr, &residual, drop, y, Identity());
}

void gelu_dropout(const Tensor& x, const Dropout& drop, Tensor& y) {
  launch_map(x, nullptr, nullptr, drop, y, Gelu());
}

void gelu_dropout_backward(const Tensor& x, const Dropout& drop, const Tensor& dy, Tensor& dx) {
  launch_map(x, &dy, nullptr, drop, dx, GeluBackward());
}

}  // namespace lf::kernels::cuda
