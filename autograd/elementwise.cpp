#include "autograd/ops.h"
#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {

Var add(const Var& a, const Var& b) {
  const Phase phase("add");
  CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "add: ", a.shape(), ' ', name(a.dtype()), " and ",
        b.shape(), ' ', name(b.dtype()), " must agree");
  Tensor y = Tensor::like(a.value());
  kernels::add(a.value(), b.value(), y);
  return tape().record("add", y, {a, b}, [](const Tensor& dy) { return std::vector{dy, dy}; });
}

Var multiply(const Var& a, const Var& b) {
  const Phase phase("multiply");
  CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "multiply: ", a.shape(), ' ', name(a.dtype()),
        " and ", b.shape(), ' ', name(b.dtype()), " must agree");
  Tensor y = Tensor::like(a.value());
  kernels::multiply(a.value(), b.value(), y);
  return tape().record("multiply", y, {a, b}, [a = a.value(), b = b.value()](const Tensor& dy) {
    Tensor da = Tensor::like(dy), db = Tensor::like(dy);
    kernels::multiply(dy, b, da);
    kernels::multiply(dy, a, db);
    return std::vector{da, db};
  });
}

Var tanh(const Var& x) {
  const Phase phase("tanh");
  Tensor y = Tensor::like(x.value());
  kernels::tanh(x.value(), y);
  return tape().record("tanh", y, {x}, [y](const Tensor& dy) {
    Tensor dx = Tensor::like(dy);
    kernels::tanh_backward(y, dy, dx);
    return std::vector{dx};
  });
}

Var scale(const Var& x, double factor) {
  const Phase phase("scale");
  Tensor y = Tensor::like(x.value());
  kernels::scale(x.value(), factor, y);
  return tape().record("scale", y, {x}, [factor](const Tensor& dy) {
    Tensor dx = Tensor::like(dy);
    kernels::scale(dy, factor, dx);
    return std::vector{dx};
  });
}

Var cast(const Var& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Phase phase("cast");
  return tape().record("cast", cast(x.value(), dtype), {x},
                       [from = x.dtype()](const Tensor& dy) { return std::vector{cast(dy, from)}; });
}

Var sum(const Var& x) {
  const Phase phase("sum");
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  Tensor y = Tensor::empty({}, dtype, x.value().device());
  kernels::total(x.value(), y);
  return tape().record("sum", y, {x}, [shape = x.shape(), from = x.dtype()](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, from, dy.device());
    kernels::fill(dy, dx);
    return std::vector{dx};
  });
}

}  // namespace lf
