// AdamW (Loshchilov & Hutter 2019) and the squared norm over flat blocks, and the ordered sum. Bound by
// memory.
#include <algorithm>
#include <cmath>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {

// Sums f(i) over [begin, end) in double: eight running sums, so that the loop vectorises without reordering
// anything from run to run.
template <class F>
double running_sums(int64_t begin, int64_t end, F&& f) {
  double sums[8] = {}, total = 0;
  int64_t i = begin;
  for (; i + 8 <= end; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += f(i + k);
  }
  for (; i < end; ++i) sums[0] += f(i);
  for (const double sum : sums) total += sum;
  return total;
}

// Sums f(i) over [0, n) in double: fixed chunks, added in order, whatever the number of threads.
template <class F>
double ordered_sum(int64_t n, F&& f) {
  const Chunks chunks = reduction_chunks(n, 1 << 14);
  std::vector<double> partial(static_cast<size_t>(chunks.count), 0.0);
  parallel_for(chunks.count, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t end = std::min(n, (chunk + 1) * chunks.size);
      partial[static_cast<size_t>(chunk)] = running_sums(chunk * chunks.size, end, f);
    }
  });
  double total = 0;
  for (const double sum : partial) total += sum;
  return total;
}

}  // namespace

namespace cpu {

void adamw(const AdamW& s, const Tensor& gradient, Tensor& parameter, Tensor& first, Tensor& second) {
  const float* g = gradient.data<float>();
  float* p = parameter.data<float>();
  float* m = first.data<float>();
  float* v = second.data<float>();
  const auto beta1 = static_cast<float>(s.beta1), beta2 = static_cast<float>(s.beta2);
  const auto one_minus_beta1 = static_cast<float>(1 - s.beta1),
             one_minus_beta2 = static_cast<float>(1 - s.beta2);
  const auto clip = static_cast<float>(s.gradient_scale);
  const auto decay = static_cast<float>(1 - s.learning_rate * s.weight_decay);
  const double correction1 = 1 - std::pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = 1 - std::pow(s.beta2, static_cast<double>(s.step));
  const auto step_size = static_cast<float>(s.learning_rate / correction1);
  const auto root_correction = static_cast<float>(1 / std::sqrt(correction2));
  const auto epsilon = static_cast<float>(s.epsilon);
  parallel_for(parameter.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float gradient_i = g[i] * clip;
      m[i] = beta1 * m[i] + one_minus_beta1 * gradient_i;
      v[i] = beta2 * v[i] + one_minus_beta2 * gradient_i * gradient_i;
      p[i] = p[i] * decay - step_size * m[i] / (std::sqrt(v[i]) * root_correction + epsilon);
    }
  });
}

void sums_of_squares(const Tensor& x, Tensor& y) {
  const float* p = x.data<float>();
  double* sums = y.data<double>();
  const int64_t n = x.elements();
  parallel_for(y.elements(), 16, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t begin = chunk * kSquares, end = std::min(n, begin + kSquares);
      sums[chunk] = running_sums(begin, end, [p](int64_t i) { return static_cast<double>(p[i]) * p[i]; });
    }
  });
}

void total(const Tensor& x, Tensor& y) {
  const double value = sum(x);
  visit_float(y.dtype(),
              [&]<class T>() { *y.data<T>() = static_cast<T>(static_cast<Accumulator<T>>(value)); });
}

double sum(const Tensor& x) {
  return visit_float(x.dtype(), [&]<class T>() -> double {
    const T* p = x.data<T>();
    return ordered_sum(x.elements(),
                       [p](int64_t i) { return static_cast<double>(static_cast<Accumulator<T>>(p[i])); });
  });
}

}  // namespace cpu

void adamw(const AdamW& settings, const Tensor& gradient, Tensor& parameter, Tensor& first, Tensor& second) {
  LF_DISPATCH(parameter.device(), adamw, settings, gradient, parameter, first, second);
}
void sums_of_squares(const Tensor& x, Tensor& y) {
  CHECK(y.elements() == (x.elements() + kSquares - 1) / kSquares, "sums_of_squares: ", x.shape(), " into ",
        y.shape());
  LF_DISPATCH(x.device(), sums_of_squares, x, y);
}
double sum(const Tensor& x) { LF_DISPATCH(x.device(), sum, x); }
void total(const Tensor& x, Tensor& y) { LF_DISPATCH(x.device(), total, x, y); }

}  // namespace lf::kernels
