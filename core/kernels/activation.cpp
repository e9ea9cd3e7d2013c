// dropout, residual + dropout, and dropout after GELU, each one pass over memory.
//   gelu(x) = x Phi(x),  gelu'(x) = Phi(x) + x phi(x),  Phi and phi the normal distribution function and
//   density.
// The exact (erf) form; for float, erf is Abramowitz & Stegun 7.1.26, whose absolute error 1.5e-7 is a
// float's own.
#include <algorithm>
#include <cmath>

#include "core/kernels/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/activation.cpp"
#include "hwy/foreach_target.h"
// clang-format off: the SIMD headers come after foreach_target.h
#include "core/kernels/simd_float-inl.h"
#include "hwy/contrib/math/math-inl.h"
// clang-format on

#include "core/kernels/kernels.h"
#include "core/kernels/placed_dropout.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace lf::HWY_NAMESPACE {

constexpr int64_t kChunk = 2048;  // elements that share one buffer of random bits; a multiple of 8

// Per lane: 1 / (1 - p) where the element is kept, 0 where it is dropped.
struct KeepFactor {
  uint32_t threshold = 0;
  float factor = 1.0f;
  const uint16_t* bits = nullptr;  // null: no dropout

  HWY_INLINE FloatVector operator()(FloatTag d, int64_t i) const {
    const hn::RebindToUnsigned<FloatTag> du;
    const hn::Rebind<uint16_t, FloatTag> dh;
    const auto word = hn::PromoteTo(du, hn::LoadU(dh, bits + i));
    const auto dropped = hn::RebindMask(d, hn::Lt(word, hn::Set(du, threshold)));
    return hn::IfThenZeroElse(dropped, hn::Set(d, factor));
  }
};

// Calls body(begin, count, keep) on chunks of the elements; keep.bits holds the random bits of elements
// begin...
template <class Body>
void for_chunks(int64_t elements, const PlacedDropout& drop, Body&& body) {
  parallel_for((elements + kChunk - 1) / kChunk, 4, [&](int64_t first, int64_t last) {
    uint16_t bits[kChunk + 8 * kBlockPadding];
    KeepFactor keep;
    if (drop.active()) {
      keep.threshold = dropout_threshold(drop.probability);
      keep.factor = static_cast<float>(1.0 / (1.0 - drop.probability));
      keep.bits = bits;
    }
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t begin = chunk * kChunk, count = std::min(kChunk, elements - begin);
      if (keep.bits) {
        philox_bits(drop.key, drop.first_block + static_cast<uint64_t>(begin / 8),
                    static_cast<size_t>((count + 7) / 8), bits);
      }
      body(begin, count, keep);
    }
  });
}

// y[i] = f(a[i], b[i]) * keep, then + residual[i] where one is given.
template <class T, class F>
void masked_map(const T* a, const T* b, const T* residual, int64_t elements, const PlacedDropout& drop, T* y,
                F&& f) {
  for_chunks(elements, drop, [&](int64_t begin, int64_t count, const KeepFactor& keep) {
    const FloatTag d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    auto value = [&](FloatVector x0, FloatVector x1, FloatVector x2, int64_t i) {
      auto v = f(d, x0, x1);
      if (keep.bits) v = hn::Mul(v, keep(d, i));
      return residual ? hn::Add(v, x2) : v;
    };
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
      const int64_t at = begin + i;
      const auto x0 = load(d, a + at), x1 = b ? load(d, b + at) : x0,
                 x2 = residual ? load(d, residual + at) : x0;
      store(value(x0, x1, x2, i), d, y + at);
    }
    if (i < count) {
      const int64_t at = begin + i;
      const auto n = static_cast<size_t>(count - i);
      const auto x0 = load_first(d, a + at, n), x1 = b ? load_first(d, b + at, n) : x0;
      const auto x2 = residual ? load_first(d, residual + at, n) : x0;
      store_first(value(x0, x1, x2, i), d, y + at, n);
    }
  });
}

// exp(-x^2 / 2) and the distribution function Phi(x), which shares it.
HWY_INLINE void normal_parts(FloatTag d, FloatVector x, FloatVector& density_times_root,
                             FloatVector& distribution) {
  const auto z = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678118654752f));
  const auto e = hn::Exp(d, hn::Neg(hn::Mul(z, z)));
  const auto t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(hn::Set(d, 0.3275911f), z, hn::Set(d, 1.0f)));
  auto poly = hn::Set(d, 1.061405429f);
  for (const float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f}) {
    poly = hn::MulAdd(poly, t, hn::Set(d, c));
  }
  const auto tail = hn::Mul(hn::Mul(hn::Set(d, 0.5f), hn::Mul(poly, t)), e);  // Phi(-|x|)
  density_times_root = e;
  distribution = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1.0f), tail));
}

struct Identity {
  HWY_INLINE FloatVector operator()(FloatTag, FloatVector x, FloatVector) const { return x; }
};
struct Gelu {
  HWY_INLINE FloatVector operator()(FloatTag d, FloatVector x, FloatVector) const {
    FloatVector e, phi;
    normal_parts(d, x, e, phi);
    return hn::Mul(x, phi);
  }
};
struct GeluBackward {
  HWY_INLINE FloatVector operator()(FloatTag d, FloatVector x, FloatVector dy) const {
    FloatVector e, phi;
    normal_parts(d, x, e, phi);
    return hn::Mul(dy, hn::MulAdd(hn::Mul(x, e), hn::Set(d, 0.39894228040143268f), phi));
  }
};

template <class T>
void dropout_rows(const T* x, const T* residual, int64_t n, const PlacedDropout& drop, T* y) {
  masked_map<T>(x, nullptr, residual, n, drop, y, Identity());
}
template <class T>
void gelu_rows(const T* x, int64_t n, const PlacedDropout& drop, T* y) {
  masked_map<T>(x, nullptr, nullptr, n, drop, y, Gelu());
}
template <class T>
void gelu_backward_rows(const T* x, const T* dy, int64_t n, const PlacedDropout& drop, T* dx) {
  masked_map<T>(x, dy, nullptr, n, drop, dx, GeluBackward());
}

void DropoutF32(const float* x, const float* r, int64_t n, const PlacedDropout& p, float* y) {
  dropout_rows(x, r, n, p, y);
}
void DropoutBf16(const bf16* x, const bf16* r, int64_t n, const PlacedDropout& p, bf16* y) {
  dropout_rows(x, r, n, p, y);
}
void GeluF32(const float* x, int64_t n, const PlacedDropout& p, float* y) { gelu_rows(x, n, p, y); }
void GeluBf16(const bf16* x, int64_t n, const PlacedDropout& p, bf16* y) { gelu_rows(x, n, p, y); }
void GeluBackwardF32(const float* x, const float* dy, int64_t n, const PlacedDropout& p, float* dx) {
  gelu_backward_rows(x, dy, n, p, dx);
}
void GeluBackwardBf16(const bf16* x, const bf16* dy, int64_t n, const PlacedDropout& p, bf16* dx) {
  gelu_backward_rows(x, dy, n, p, dx);
}

}  // namespace lf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
HWY_EXPORT(DropoutF32);
HWY_EXPORT(DropoutBf16);
HWY_EXPORT(GeluF32);
HWY_EXPORT(GeluBf16);
HWY_EXPORT(GeluBackwardF32);
HWY_EXPORT(GeluBackwardBf16);

namespace kernels {
namespace {

// Double precision serves gradient checks: scalar, with the standard library's erf.
template <class F>
void map_double(int64_t n, const PlacedDropout& drop, double* y, F&& f) {
  const double factor = drop.active() ? 1.0 / (1.0 - drop.probability) : 1.0;
  const uint32_t threshold = drop.active() ? dropout_threshold(drop.probability) : 0;
  parallel_for(n, 1 << 12, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto element = 8 * drop.first_block + static_cast<uint64_t>(i);
      const bool kept = !drop.active() || dropout_bits(philox(drop.key, element / 8), element) >= threshold;
      y[i] = f(i, kept ? factor : 0.0);
    }
  });
}

double distribution(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }
double density(double x) { return 0.39894228040143267794 * std::exp(-0.5 * x * x); }

void add_dropout_to(const Tensor* residual, const Tensor& x, const Dropout& settings, Tensor& y) {
  const int64_t n = x.elements();
  const PlacedDropout drop(settings, x);
  switch (x.dtype()) {
    case DType::f32:
      HWY_DYNAMIC_DISPATCH(DropoutF32)
      (x.data<float>(), residual ? residual->data<float>() : nullptr, n, drop, y.data<float>());
      break;
    case DType::bf16:
      HWY_DYNAMIC_DISPATCH(DropoutBf16)
      (x.data<bf16>(), residual ? residual->data<bf16>() : nullptr, n, drop, y.data<bf16>());
      break;
    default: {
      const double* in = x.data<double>();
      const double* base = residual ? residual->data<double>() : nullptr;
      map_double(n, drop, y.data<double>(),
                 [=](int64_t i, double keep) { return in[i] * keep + (base ? base[i] : 0.0); });
    }
  }
}

}  // namespace

namespace cpu {

void dropout(const Tensor& x, const Dropout& drop, Tensor& y) { add_dropout_to(nullptr, x, drop, y); }

void add_dropout(const Tensor& residual, const Tensor& x, const Dropout& drop, Tensor& y) {
  add_dropout_to(&residual, x, drop, y);
}

void gelu_dropout(const Tensor& x, const Dropout& settings, Tensor& y) {
  const int64_t n = x.elements();
  const PlacedDropout drop(settings, x);
  switch (x.dtype()) {
    case DType::f32:
      HWY_DYNAMIC_DISPATCH(GeluF32)(x.data<float>(), n, drop, y.data<float>());
      break;
    case DType::bf16:
      HWY_DYNAMIC_DISPATCH(GeluBf16)(x.data<bf16>(), n, drop, y.data<bf16>());
      break;
    default: {
      const double* in = x.data<double>();
      map_double(n, drop, y.data<double>(),
                 [=](int64_t i, double keep) { return in[i] * distribution(in[i]) * keep; });
    }
  }
}

void gelu_dropout_backward(const Tensor& x, const Dropout& settings, const Tensor& dy, Tensor& dx) {
  const int64_t n = x.elements();
  const PlacedDropout drop(settings, x);
  switch (x.dtype()) {
    case DType::f32:
      HWY_DYNAMIC_DISPATCH(GeluBackwardF32)(x.data<float>(), dy.data<float>(), n, drop, dx.data<float>());
      break;
    case DType::bf16:
      HWY_DYNAMIC_DISPATCH(GeluBackwardBf16)(x.data<bf16>(), dy.data<bf16>(), n, drop, dx.data<bf16>());
      break;
    default: {
      const double* in = x.data<double>();
      const double* up = dy.data<double>();
      map_double(n, drop, dx.data<double>(), [=](int64_t i, double keep) {
        return up[i] * keep * (distribution(in[i]) + in[i] * density(in[i]));
      });
    }
  }
}

}  // namespace cpu

void dropout(const Tensor& x, const Dropout& drop, Tensor& y) {
  LF_DISPATCH(y.device(), dropout, x, drop, y);
}

void add_dropout(const Tensor& residual, const Tensor& x, const Dropout& drop, Tensor& y) {
  LF_DISPATCH(y.device(), add_dropout, residual, x, drop, y);
}

void gelu_dropout(const Tensor& x, const Dropout& drop, Tensor& y) {
  LF_DISPATCH(y.device(), gelu_dropout, x, drop, y);
}

void gelu_dropout_backward(const Tensor& x, const Dropout& drop, const Tensor& dy, Tensor& dx) {
  LF_DISPATCH(dx.device(), gelu_dropout_backward, x, drop, dy, dx);
}

}  // namespace kernels
}  // namespace lf
#endif  // HWY_ONCE
