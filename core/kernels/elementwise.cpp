// add, multiply, scale, tanh, convert: bound by memory, so plain loops do.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {
constexpr int64_t kGrain = 1 << 14;
}

namespace cpu {

template <class T, class F>
void map(const Tensor& a, const Tensor& b, Tensor& y, F&& f) {
  using A = Accumulator<T>;
  const T* x0 = a.data<T>();
  const T* x1 = b.data<T>();
  T* out = y.data<T>();
  parallel_for(y.elements(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      out[i] = static_cast<T>(f(static_cast<A>(x0[i]), static_cast<A>(x1[i])));
  });
}

void add(const Tensor& a, const Tensor& b, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() { map<T>(a, b, y, [](auto p, auto q) { return p + q; }); });
}

void multiply(const Tensor& a, const Tensor& b, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() { map<T>(a, b, y, [](auto p, auto q) { return p * q; }); });
}

void tanh(const Tensor& x, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() { map<T>(x, x, y, [](auto p, auto) { return std::tanh(p); }); });
}

void tanh_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  visit_float(dx.dtype(),
              [&]<class T>() { map<T>(y, dy, dx, [](auto t, auto up) { return up * (1 - t * t); }); });
}

void scale(const Tensor& x, double factor, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() {
    const auto f = static_cast<Accumulator<T>>(factor);
    map<T>(x, x, y, [f](auto p, auto) { return f * p; });
  });
}

void convert(const Tensor& x, Tensor& y) {
  visit_float(x.dtype(), [&]<class From>() {
    visit_float(y.dtype(), [&]<class To>() {
      // bf16 converts to and from float only; between float and double nothing is lost on the way up.
      using Via = std::conditional_t<std::is_same_v<From, bf16> || std::is_same_v<To, bf16>, float, double>;
      const From* from = x.data<From>();
      To* to = y.data<To>();
      parallel_for(x.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[i] = static_cast<To>(static_cast<Via>(from[i]));
      });
    });
  });
}

void fill(const Tensor& value, Tensor& y) {
  visit_float(y.dtype(), [&]<class T>() {
    std::fill_n(y.data<T>(), y.elements(), static_cast<T>(static_cast<Accumulator<T>>(value.item())));
  });
}

}  // namespace cpu

void add(const Tensor& a, const Tensor& b, Tensor& y) {
  CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "add: ", a.shape(), ' ', name(a.dtype()), " and ",
        b.shape(), ' ', name(b.dtype()));
  LF_DISPATCH(y.device(), add, a, b, y);
}

void multiply(const Tensor& a, const Tensor& b, Tensor& y) {
  CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "multiply: ", a.shape(), ' ', name(a.dtype()),
        " and ", b.shape(), ' ', name(b.dtype()));
  LF_DISPATCH(y.device(), multiply, a, b, y);
}

void tanh(const Tensor& x, Tensor& y) { LF_DISPATCH(y.device(), tanh, x, y); }
void tanh_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  LF_DISPATCH(dx.device(), tanh_backward, y, dy, dx);
}

void accumulate(const Tensor& x, Tensor& sum) { add(x, sum, sum); }

void scale(const Tensor& x, double factor, Tensor& y) { LF_DISPATCH(y.device(), scale, x, factor, y); }

void convert(const Tensor& x, Tensor& y) { LF_DISPATCH(y.device(), convert, x, y); }

void fill(const Tensor& value, Tensor& y) {
  CHECK(value.elements() == 1, "fill: ", value.shape(), " has ", value.elements(), " elements, needed one");
  LF_DISPATCH(y.device(), fill, value, y);
}

}  // namespace lf::kernels
