// Row softmax, and the cross entropy of softmax(logits) with integer targets.
//   loss[n] = lse[n] - <w[n], logits[n]>,  dlogits = dloss (softmax(logits) - w)
//   w = (1 - smoothing) onehot(target) + smoothing / V
#include "core/kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/softmax.cpp"
#include "hwy/foreach_target.h"
// clang-format off: the SIMD headers come after foreach_target.h
#include "core/kernels/simd_float-inl.h"
#include "hwy/contrib/math/math-inl.h"
// clang-format on

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace lf::HWY_NAMESPACE {

// The largest number of the row, -inf at least; NaNs are passed over.
inline float MaxOfRow(const float* x, int64_t C) {
  const FloatTag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto larger = [](auto a, auto b) { return hn::IfThenElse(hn::Gt(b, a), b, a); };
  auto even = hn::Set(d, -std::numeric_limits<float>::infinity()), odd = even;
  int64_t i = 0;
  for (; i + 2 * lanes <= C; i += 2 * lanes) {
    even = larger(even, load(d, x + i));
    odd = larger(odd, load(d, x + i + lanes));
  }
  float maximum = hn::GetLane(hn::MaxOfLanes(d, hn::Max(even, odd)));
  for (; i < C; ++i) maximum = std::max(maximum, x[i]);
  return maximum;
}

// y = exp(x - shift); returns the sum, whose order does not depend on anything but C and the vector width.
inline float ExpRow(const float* x, float shift, int64_t C, float* y) {
  const FloatTag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto s = hn::Set(d, shift);
  auto sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= C; i += lanes) {
    const auto e = hn::Exp(d, hn::Sub(load(d, x + i), s));
    store(e, d, y + i);
    sum = hn::Add(sum, e);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  if (i < C) {
    const auto left = static_cast<size_t>(C - i);
    const auto e = hn::Exp(d, hn::Sub(load_first(d, x + i, left), s));
    store_first(e, d, y + i, left);
    for (int64_t k = i; k < C; ++k) total += y[k];
  }
  return total;
}

}  // namespace lf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
HWY_EXPORT(ExpRow);
HWY_EXPORT(MaxOfRow);

namespace kernels {
namespace {

float exp_row(const float* x, float shift, int64_t C, float* y) {
  return HWY_DYNAMIC_DISPATCH(ExpRow)(x, shift, C, y);
}
double exp_row(const double* x, double shift, int64_t C, double* y) {
  double total = 0;
  for (int64_t i = 0; i < C; ++i) total += y[i] = std::exp(x[i] - shift);
  return total;
}

float largest(const float* x, int64_t C) { return HWY_DYNAMIC_DISPATCH(MaxOfRow)(x, C); }
double largest(const double* x, int64_t C) {
  double maximum = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < C; ++i) maximum = std::max(maximum, x[i]);
  return maximum;
}

// Writes exp(x - max) of the row to y and returns {max, sum}.
template <class T, class A = Accumulator<T>>
std::pair<A, A> exponentials(const T* x, int64_t C, A* y) {
  if constexpr (std::is_same_v<T, A>) {
    const A maximum = largest(x, C);
    return {maximum, exp_row(x, maximum, C, y)};
  } else {
    for (int64_t i = 0; i < C; ++i) y[i] = static_cast<A>(x[i]);
    const A maximum = largest(y, C);
    return {maximum, exp_row(y, maximum, C, y)};
  }
}

// True for a row of -inf only; a NaN is not hidden.
template <class T>
bool hides_all(const T* x, int64_t C) {
  using A = Accumulator<T>;
  return std::all_of(x, x + C,
                     [](T value) { return static_cast<A>(value) == -std::numeric_limits<A>::infinity(); });
}

}  // namespace

namespace cpu {

void softmax(const Tensor& x, Tensor& y) {
  const int64_t rows = x.dim(0), C = x.dim(1);
  visit_float(x.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
      std::vector<A> e(static_cast<size_t>(C));
      for (int64_t row = begin; row < end; ++row) {
        const auto [maximum, sum] = exponentials(x.data<T>() + row * C, C, e.data());
        T* out = y.data<T>() + row * C;
        if (hides_all(x.data<T>() + row * C, C)) {
          std::fill_n(out, C, T{});
          continue;
        }
        const A factor = A{1} / sum;
        for (int64_t i = 0; i < C; ++i) out[i] = static_cast<T>(e[static_cast<size_t>(i)] * factor);
      }
    });
  });
}

void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  const int64_t rows = y.dim(0), C = y.dim(1);
  visit_float(y.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* p = y.data<T>() + row * C;
        const T* up = dy.data<T>() + row * C;
        A dot = 0;
        for (int64_t i = 0; i < C; ++i) dot += static_cast<A>(p[i]) * static_cast<A>(up[i]);
        T* out = dx.data<T>() + row * C;
        for (int64_t i = 0; i < C; ++i) {
          out[i] = static_cast<T>(static_cast<A>(p[i]) * (static_cast<A>(up[i]) - dot));
        }
      }
    });
  });
}

void cross_entropy(const Tensor& logits, const Tensor& targets, double smoothing, Tensor& losses,
                   Tensor& lse) {
  const int64_t rows = logits.dim(0), V = logits.dim(1);
  const int32_t* target = targets.data<int32_t>();
  for (int64_t row = 0; row < rows; ++row) {
    CHECK(target[row] >= -1 && target[row] < V, "cross_entropy: target ", target[row], " at position ", row,
          " is outside the vocabulary of ", V);
  }
  visit_float(logits.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
      std::vector<A> e(static_cast<size_t>(V));
      for (int64_t row = begin; row < end; ++row) {
        const T* x = logits.data<T>() + row * V;
        const auto [maximum, sum] = exponentials(x, V, e.data());
        const A log_sum = maximum + std::log(sum);
        lse.data<A>()[row] = log_sum;
        A& loss = losses.data<A>()[row];
        loss = target[row] < 0 ? A{0} : log_sum - static_cast<A>(x[target[row]]);
        if (smoothing == 0 || target[row] < 0) continue;
        double all = 0;  // of V losses
        for (int64_t i = 0; i < V; ++i) all += static_cast<double>(log_sum - static_cast<A>(x[i]));
        loss = static_cast<A>((1 - smoothing) * static_cast<double>(loss) +
                              smoothing * all / static_cast<double>(V));
      }
    });
  });
}

void cross_entropy_backward(const Tensor& logits, const Tensor& targets, double smoothing, const Tensor& lse,
                            const Tensor& dlosses, Tensor& dlogits) {
  const int64_t rows = logits.dim(0), V = logits.dim(1);
  const int32_t* target = targets.data<int32_t>();
  visit_float(logits.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const A own = static_cast<A>(1 - smoothing), share = static_cast<A>(smoothing / static_cast<double>(V));
    parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
      std::vector<A> p(static_cast<size_t>(V));
      for (int64_t row = begin; row < end; ++row) {
        const T* x = logits.data<T>() + row * V;
        T* out = dlogits.data<T>() + row * V;
        const A up = target[row] < 0 ? A{0} : dlosses.data<A>()[row];
        for (int64_t i = 0; i < V; ++i) p[static_cast<size_t>(i)] = static_cast<A>(x[i]);
        exp_row(p.data(), lse.data<A>()[row], V, p.data());
        if (target[row] >= 0) p[static_cast<size_t>(target[row])] -= own;
        for (int64_t i = 0; i < V; ++i) out[i] = static_cast<T>(up * (p[static_cast<size_t>(i)] - share));
      }
    });
  });
}

}  // namespace cpu

void softmax(const Tensor& x, Tensor& y) { LF_DISPATCH(y.device(), softmax, x, y); }
void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  LF_DISPATCH(dx.device(), softmax_backward, y, dy, dx);
}
void cross_entropy(const Tensor& logits, const Tensor& targets, double smoothing, Tensor& losses,
                   Tensor& lse) {
  LF_DISPATCH(logits.device(), cross_entropy, logits, targets, smoothing, losses, lse);
}
void cross_entropy_backward(const Tensor& logits, const Tensor& targets, double smoothing, const Tensor& lse,
                            const Tensor& dlosses, Tensor& dlogits) {
  LF_DISPATCH(logits.device(), cross_entropy_backward, logits, targets, smoothing, lse, dlosses, dlogits);
}

}  // namespace kernels
}  // namespace lf
#endif  // HWY_ONCE
