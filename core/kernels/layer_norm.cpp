// Layer normalisation: y = (x - mean) rstd gamma + beta over the last axis (Ba et al. 2016).
// With g = dy gamma and n = (x - mean) rstd:  dx = rstd (g - mean(g) - n mean(g n)).
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/layer_norm.cpp"
#include "hwy/foreach_target.h"
// clang-format off: the SIMD headers come after foreach_target.h
#include "core/kernels/simd_float-inl.h"
// clang-format on

#include "core/kernels/kernels.h"
#include "core/parallel.h"

#ifndef LF_LAYER_NORM_ONCE
#define LF_LAYER_NORM_ONCE
namespace lf {
// The rows whose shares of dgamma and dbeta are summed together, and the bytes of all sums.
inline Chunks norm_chunks(int64_t rows) { return reduction_chunks(rows, 32); }
inline int64_t norm_sums_bytes(const Tensor& x) {
  const int64_t element = x.dtype() == DType::f64 ? 8 : 4;
  return norm_chunks(x.dim(0)).count * 2 * x.dim(1) * element;
}
}  // namespace lf
#endif

HWY_BEFORE_NAMESPACE();
namespace lf::HWY_NAMESPACE {

// Vector operations on rows of float or bf16 ...
template <class T>
struct Lanes {
  FloatTag d;
  using V = FloatVector;
  int64_t count() const { return static_cast<int64_t>(hn::Lanes(d)); }
  V get(const T* p) const { return load(d, p); }
  V get_parameter(const float* p) const { return load(d, p); }
  void put(V v, T* p) const { store(v, d, p); }
  void put_parameter(V v, float* p) const { store(v, d, p); }
  V zero() const { return hn::Zero(d); }
  V set(float x) const { return hn::Set(d, x); }
  float sum(V v) const { return hn::GetLane(hn::SumOfLanes(d, v)); }
  static V mul_add(V a, V b, V c) { return hn::MulAdd(a, b, c); }
  static V sub(V a, V b) { return hn::Sub(a, b); }
  static V mul(V a, V b) { return hn::Mul(a, b); }
  static V add(V a, V b) { return hn::Add(a, b); }
};

// ... and the same of one element at a time: double, and the end of a row.
template <class T>
struct Single {
  using V = Accumulator<T>;
  int64_t count() const { return 1; }
  V get(const T* p) const { return static_cast<V>(*p); }
  V get_parameter(const V* p) const { return *p; }
  void put(V v, T* p) const { *p = static_cast<T>(v); }
  void put_parameter(V v, V* p) const { *p = v; }
  V zero() const { return 0; }
  V set(V x) const { return x; }
  V sum(V v) const { return v; }
  static V mul_add(V a, V b, V c) { return a * b + c; }
  static V sub(V a, V b) { return a - b; }
  static V mul(V a, V b) { return a * b; }
  static V add(V a, V b) { return a + b; }
};

// Runs f over [0, D) with vectors, then over what is left with single elements.
template <class T, class F>
HWY_INLINE void over_row(int64_t D, F&& f) {
  int64_t i = 0;
  if constexpr (!std::is_same_v<T, double>) {
    const Lanes<T> lanes;
    const int64_t whole = D - D % lanes.count();
    f(lanes, i, whole);
    i = whole;
  }
  f(Single<T>(), i, D);
}

template <class T, class A = Accumulator<T>>
void normalise_row(const T* x, const A* gamma, const A* beta, double epsilon, int64_t D, T* y, A& mean,
                   A& rstd) {
  A total = 0, squares = 0;
  over_row<T>(D, [&](const auto& lanes, int64_t i, int64_t end) {
    auto sum = lanes.zero();
    for (; i < end; i += lanes.count()) sum = lanes.add(sum, lanes.get(x + i));
    total += lanes.sum(sum);
  });
  mean = total / static_cast<A>(D);
  // Two passes: the one-pass variance cancels when the mean is large.
  over_row<T>(D, [&](const auto& lanes, int64_t i, int64_t end) {
    auto sum = lanes.zero();
    const auto m = lanes.set(mean);
    for (; i < end; i += lanes.count()) {
      const auto v = lanes.sub(lanes.get(x + i), m);
      sum = lanes.mul_add(v, v, sum);
    }
    squares += lanes.sum(sum);
  });
  rstd = A{1} / std::sqrt(squares / static_cast<A>(D) + static_cast<A>(epsilon));
  over_row<T>(D, [&](const auto& lanes, int64_t i, int64_t end) {
    const auto m = lanes.set(mean), r = lanes.set(rstd);
    for (; i < end; i += lanes.count()) {
      const auto n = lanes.mul(lanes.sub(lanes.get(x + i), m), r);
      lanes.put(lanes.mul_add(n, lanes.get_parameter(gamma + i), lanes.get_parameter(beta + i)), y + i);
    }
  });
}

// Adds the row's terms to dgamma and dbeta.
template <class T, class A = Accumulator<T>>
void backward_row(const T* x, const A* gamma, A mean, A rstd, const T* dy, int64_t D, T* dx, A* dgamma,
                  A* dbeta) {
  A sum_g = 0, sum_gn = 0;
  over_row<T>(D, [&](const auto& lanes, int64_t i, int64_t end) {
    auto g_total = lanes.zero(), gn_total = lanes.zero();
    const auto m = lanes.set(mean), r = lanes.set(rstd);
    for (; i < end; i += lanes.count()) {
      const auto n = lanes.mul(lanes.sub(lanes.get(x + i), m), r);
      const auto up = lanes.get(dy + i);
      const auto g = lanes.mul(up, lanes.get_parameter(gamma + i));
      g_total = lanes.add(g_total, g);
      gn_total = lanes.mul_add(g, n, gn_total);
      lanes.put_parameter(lanes.mul_add(up, n, lanes.get_parameter(dgamma + i)), dgamma + i);
      lanes.put_parameter(lanes.add(up, lanes.get_parameter(dbeta + i)), dbeta + i);
    }
    sum_g += lanes.sum(g_total);
    sum_gn += lanes.sum(gn_total);
  });
  const A mean_g = sum_g / static_cast<A>(D), mean_gn = sum_gn / static_cast<A>(D);
  over_row<T>(D, [&](const auto& lanes, int64_t i, int64_t end) {
    const auto m = lanes.set(mean), r = lanes.set(rstd), a = lanes.set(mean_g), b = lanes.set(-mean_gn);
    for (; i < end; i += lanes.count()) {
      const auto n = lanes.mul(lanes.sub(lanes.get(x + i), m), r);
      const auto g = lanes.mul(lanes.get(dy + i), lanes.get_parameter(gamma + i));
      lanes.put(lanes.mul(r, lanes.mul_add(n, b, lanes.sub(g, a))), dx + i);
    }
  });
}

template <class T>
void forward_rows(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& y,
                  Tensor& mean, Tensor& rstd) {
  using A = Accumulator<T>;
  const int64_t D = x.dim(1);
  parallel_for(x.dim(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      normalise_row<T>(x.data<T>() + row * D, gamma.data<A>(), beta.data<A>(), epsilon, D,
                       y.data<T>() + row * D, mean.data<A>()[row], rstd.data<A>()[row]);
    }
  });
}

template <class T>
void backward_rows(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                   const Tensor& dy, Tensor& dx, Tensor& dgamma, Tensor& dbeta) {
  using A = Accumulator<T>;
  const int64_t rows = x.dim(0), D = x.dim(1);
  const Chunks chunks = norm_chunks(rows);
  const ScratchCount counted(norm_sums_bytes(x));
  std::vector<A> partial(static_cast<size_t>(chunks.count * 2 * D), A{0});
  parallel_for(chunks.count, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      A* sums = partial.data() + chunk * 2 * D;
      for (int64_t row = chunk * chunks.size; row < std::min(rows, (chunk + 1) * chunks.size); ++row) {
        backward_row<T>(x.data<T>() + row * D, gamma.data<A>(), mean.data<A>()[row], rstd.data<A>()[row],
                        dy.data<T>() + row * D, D, dx.data<T>() + row * D, sums, sums + D);
      }
    }
  });
  dgamma.fill_zero();
  dbeta.fill_zero();
  for (int64_t chunk = 0; chunk < chunks.count; ++chunk) {
    const A* sums = partial.data() + chunk * 2 * D;
    for (int64_t i = 0; i < D; ++i) dgamma.data<A>()[i] += sums[i];
    for (int64_t i = 0; i < D; ++i) dbeta.data<A>()[i] += sums[D + i];
  }
}

void LayerNormForward(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& y,
                      Tensor& mean, Tensor& rstd) {
  visit_float(x.dtype(), [&]<class T>() { forward_rows<T>(x, gamma, beta, epsilon, y, mean, rstd); });
}
void LayerNormBackward(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                       const Tensor& dy, Tensor& dx, Tensor& dgamma, Tensor& dbeta) {
  visit_float(x.dtype(), [&]<class T>() { backward_rows<T>(x, gamma, mean, rstd, dy, dx, dgamma, dbeta); });
}

}  // namespace lf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
HWY_EXPORT(LayerNormForward);
HWY_EXPORT(LayerNormBackward);

namespace kernels {
namespace cpu {

void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& y,
                Tensor& mean, Tensor& rstd) {
  HWY_DYNAMIC_DISPATCH(LayerNormForward)(x, gamma, beta, epsilon, y, mean, rstd);
}

void layer_norm_backward(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                         const Tensor& dy, Tensor& dx, Tensor& dgamma, Tensor& dbeta) {
  HWY_DYNAMIC_DISPATCH(LayerNormBackward)(x, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

// One after the other: a row is still in the cache.
void add_dropout_layer_norm(const Tensor& residual, const Tensor& x, const Dropout& drop, const Tensor& gamma,
                            const Tensor& beta, double epsilon, Tensor& sum, Tensor& y, Tensor& mean,
                            Tensor& rstd) {
  add_dropout(residual, x, drop, sum);
  layer_norm(sum, gamma, beta, epsilon, y, mean, rstd);
}

void add_dropout_layer_norm_backward(const Tensor& sum, const Dropout& drop, const Tensor& gamma,
                                     const Tensor& mean, const Tensor& rstd, const Tensor& dsum,
                                     const Tensor& dy, Tensor& dresidual, Tensor& dx, Tensor& dgamma,
                                     Tensor& dbeta) {
  layer_norm_backward(sum, gamma, mean, rstd, dy, dresidual, dgamma, dbeta);
  if (dsum.defined()) kernels::accumulate(dsum, dresidual);
  if (drop.active()) dropout(dresidual, drop, dx);
}

}  // namespace cpu

void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon, Tensor& y,
                Tensor& mean, Tensor& rstd) {
  LF_DISPATCH(y.device(), layer_norm, x, gamma, beta, epsilon, y, mean, rstd);
}

void layer_norm_backward(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                         const Tensor& dy, Tensor& dx, Tensor& dgamma, Tensor& dbeta) {
  plan_scratch(dx.device(), [&](Device d) { return d == Device::cpu ? norm_sums_bytes(x) : 0; });
  LF_DISPATCH(dx.device(), layer_norm_backward, x, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

void add_dropout_layer_norm(const Tensor& residual, const Tensor& x, const Dropout& drop, const Tensor& gamma,
                            const Tensor& beta, double epsilon, Tensor& sum, Tensor& y, Tensor& mean,
                            Tensor& rstd) {
  LF_DISPATCH(y.device(), add_dropout_layer_norm, residual, x, drop, gamma, beta, epsilon, sum, y, mean,
              rstd);
}

void add_dropout_layer_norm_backward(const Tensor& sum, const Dropout& drop, const Tensor& gamma,
                                     const Tensor& mean, const Tensor& rstd, const Tensor& dsum,
                                     const Tensor& dy, Tensor& dresidual, Tensor& dx, Tensor& dgamma,
                                     Tensor& dbeta) {
  plan_scratch(dy.device(), [&](Device d) { return d == Device::cpu ? norm_sums_bytes(sum) : 0; });
  LF_DISPATCH(dy.device(), add_dropout_layer_norm_backward, sum, drop, gamma, mean, rstd, dsum, dy, dresidual,
              dx, dgamma, dbeta);
}

}  // namespace kernels
}  // namespace lf
#endif  // HWY_ONCE
