// The CUDA half of adamw.cpp: one pass over memory, and sums in two passes whose order depends on the number
// of elements alone.
#include <cmath>

#include "core/cuda/join.h"
#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/cuda/vectors.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::aligned_for_vectors;
using lf::cuda::item_of_thread;
using lf::cuda::kWarp;
using lf::cuda::launch;

constexpr int kGroup = 4;
constexpr int kThreads = 256;
constexpr int64_t kChunk = 16384;  // elements that one block adds up

// The settings as the loop needs them.
struct Update {
  float beta1, beta2, one_minus_beta1, one_minus_beta2, clip, decay, step_size, root_correction, epsilon;
};

__global__ void adamw_kernel(Update s, const float* gradient, float* parameter, float* first, float* second,
                             int64_t count, bool aligned) {
  const int64_t groups = (count + kGroup - 1) / kGroup;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t group = item_of_thread(); group < groups; group += stride) {
    const int64_t at = group * kGroup, left = count - at;
    float g[kGroup], p[kGroup], m[kGroup], v[kGroup];
    lf::cuda::load_group(gradient + at, left, aligned, g);
    lf::cuda::load_group(parameter + at, left, aligned, p);
    lf::cuda::load_group(first + at, left, aligned, m);
    lf::cuda::load_group(second + at, left, aligned, v);
    for (int i = 0; i < kGroup; ++i) {
      const float clipped = g[i] * s.clip;
      m[i] = s.beta1 * m[i] + s.one_minus_beta1 * clipped;
      v[i] = s.beta2 * v[i] + s.one_minus_beta2 * clipped * clipped;
      p[i] = p[i] * s.decay - s.step_size * m[i] / (sqrtf(v[i]) * s.root_correction + s.epsilon);
    }
    lf::cuda::store_group(p, left, aligned, parameter + at);
    lf::cuda::store_group(m, left, aligned, first + at);
    lf::cuda::store_group(v, left, aligned, second + at);
  }
}

// partial[c] = the sum of f over the elements of chunk c of `chunk` elements, one block each.
template <bool Squares, class T>
__global__ void sum_kernel(const T* x, int64_t count, int64_t chunk, double* partial) {
  const int64_t begin = int64_t{blockIdx.x} * chunk;
  const int64_t end = begin + chunk < count ? begin + chunk : count;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const auto value = static_cast<double>(static_cast<Accumulator<T>>(x[i]));
    sum += Squares ? value * value : value;
  }
  sum = lf::cuda::join_block<kThreads>(sum, lf::cuda::Sum());
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The ordered sum of x as one f64 on the device.
template <class T>
Tensor ordered_sum(const Tensor& x) {
  const int64_t count = x.elements(), chunks = (count + kChunk - 1) / kChunk;
  if (count == 0) return Tensor::zeros({1}, DType::f64, Device::cuda);
  constexpr auto kShared = static_cast<int64_t>(kThreads / kWarp * sizeof(double));
  const Tensor sums = Tensor::empty({chunks + 1}, DType::f64, Device::cuda);
  auto* partial = sums.device_data<double>();
  launch(sum_kernel<false, T>, {chunks}, kThreads, kShared, x.device_data<T>(), count, kChunk, partial);
  launch(sum_kernel<false, double>, {1}, kThreads, kShared, partial, chunks, chunks, partial + chunks);
  return sums.slice(chunks, chunks + 1);
}

}  // namespace

void adamw(const AdamW& s, const Tensor& gradient, Tensor& parameter, Tensor& first, Tensor& second) {
  const double correction1 = 1 - std::pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = 1 - std::pow(s.beta2, static_cast<double>(s.step));
  Update update;
  update.beta1 = static_cast<float>(s.beta1), update.beta2 = static_cast<float>(s.beta2);
  update.one_minus_beta1 = static_cast<float>(1 - s.beta1);
  update.one_minus_beta2 = static_cast<float>(1 - s.beta2);
  update.clip = static_cast<float>(s.gradient_scale);
  update.decay = static_cast<float>(1 - s.learning_rate * s.weight_decay);
  update.step_size = static_cast<float>(s.learning_rate / correction1);
  update.root_correction = static_cast<float>(1 / std::sqrt(correction2));
  update.epsilon = static_cast<float>(s.epsilon);
  bool aligned = true;
  for (const Tensor& block : {gradient, parameter, first, second}) {
    aligned = aligned && aligned_for_vectors(block.raw());
  }
  const int64_t count = parameter.elements();
  launch(adamw_kernel, lf::cuda::loop_grid((count + kGroup - 1) / kGroup), lf::cuda::kLoopThreads, 0, update,
         gradient.device_data<float>(), parameter.device_data<float>(), first.device_data<float>(),
         second.device_data<float>(), count, aligned);
}

void sums_of_squares(const Tensor& x, Tensor& y) {
  constexpr auto kShared = static_cast<int64_t>(kThreads / kWarp * sizeof(double));
  if (y.elements() == 0) return;
  launch(sum_kernel<true, float>, {y.elements()}, kThreads, kShared, x.device_data<float>(), x.elements(),
         kSquares, y.device_data<double>());
}

double sum(const Tensor& x) {
  return visit_float(x.dtype(), [&]<class T>() { return ordered_sum<T>(x).item(); });
}

void total(const Tensor& x, Tensor& y) {
  visit_float(x.dtype(), [&]<class T>() { convert(ordered_sum<T>(x), y); });
}

}  // namespace lf::kernels::cuda
