#include "autograd/ops.h"
#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

// x (..., D) as a matrix of its rows.
Tensor rows_of(const Tensor& x) {
  const int64_t D = x.dim(-1);
  return x.view({D ? x.elements() / D : 0, D});
}

// Of the parameters beside activations of a dtype.
DType parameter_dtype(DType activations) { return activations == DType::f64 ? DType::f64 : DType::f32; }

Tensor column_sums(const Tensor& dy) {
  Tensor sums = Tensor::empty({dy.dim(-1)}, parameter_dtype(dy.dtype()), dy.device());
  kernels::column_sums(rows_of(dy), sums);
  return sums;
}

}  // namespace

Var linear(const Var& x, const Var& weight, const Var& bias) {
  const Phase phase("linear");
  CHECK(weight.shape().rank() == 2 && x.shape().rank() >= 1 && x.dim(-1) == weight.dim(1), "linear: x is ",
        x.shape(), ", weight is ", weight.shape(), "; the last axes must agree");
  CHECK(weight.dtype() == x.dtype() || weight.dtype() == parameter_dtype(x.dtype()), "linear: x is ",
        name(x.dtype()), ", weight is ", name(weight.dtype()), ", needed the same or ",
        name(parameter_dtype(x.dtype())));
  CHECK(
      !bias.defined() || (bias.shape() == Shape{weight.dim(0)} && bias.dtype() == parameter_dtype(x.dtype())),
      "linear: weight is ", weight.shape(), ", so bias must be ", Shape{weight.dim(0)}, ' ',
      name(parameter_dtype(x.dtype())), "; got ", bias.shape(), ' ', name(bias.dtype()));
  Tensor y = Tensor::empty(x.shape().with_last(weight.dim(0)), x.dtype(), x.value().device());
  Tensor y_rows = rows_of(y);
  const Tensor factor = cast(weight.value(), x.dtype());
  const DType dtype = weight.needs_gradient() ? weight.gradient()->dtype : weight.dtype();
  kernels::linear(rows_of(x.value()), factor, bias.value(), y_rows);
  std::vector<Var> inputs{x, weight};
  if (bias.defined()) inputs.push_back(bias);
  const bool wants_dx = x.needs_gradient();
  return tape().record("linear", y, inputs,
                       [x = x.value(), factor, dtype, has_bias = bias.defined(), wants_dx](const Tensor& dy) {
                         const Tensor dy_rows = rows_of(dy);
                         // The gradient of f32 weights is not rounded to a narrower dtype on its way.
                         Tensor dx, dweight = Tensor::empty(factor.shape(), dtype, dy.device()), dbias;
                         if (wants_dx) {
                           dx = Tensor::like(x);
                           Tensor dx_rows = rows_of(dx);
                           kernels::linear_backward_input(factor, dy_rows, dx_rows);
                         }
                         if (has_bias)
                           dbias = Tensor::empty({factor.dim(0)}, parameter_dtype(dy.dtype()), dy.device());
                         kernels::linear_backward_weight(rows_of(x), dy_rows, dweight, dbias);
                         return has_bias ? std::vector{dx, dweight, dbias} : std::vector{dx, dweight};
                       });
}

Var add_bias(const Var& x, const Var& bias) {
  const Phase phase("add_bias");
  CHECK(bias.shape() == Shape{x.dim(-1)} && bias.dtype() == parameter_dtype(x.dtype()), "add_bias: x is ",
        x.shape(), ' ', name(x.dtype()), ", so bias must be ", Shape{x.dim(-1)}, ' ',
        name(parameter_dtype(x.dtype())), "; got ", bias.shape(), ' ', name(bias.dtype()));
  Tensor y = x.value().clone();
  Tensor y_rows = rows_of(y);
  kernels::add_bias(bias.value(), y_rows);
  return tape().record("add_bias", y, {x, bias}, [](const Tensor& dy) {
    return std::vector{dy, column_sums(dy)};
  });
}

Var matmul(const Var& a, bool transpose_a, const Var& b, bool transpose_b) {
  const Phase phase("matmul");
  const auto agree = [&] {
    return a.shape().rank() == 3 && b.shape().rank() == 3 && a.dim(0) == b.dim(0) && a.dtype() == b.dtype() &&
           a.dim(transpose_a ? 1 : 2) == b.dim(transpose_b ? 2 : 1);
  };
  CHECK(agree(), "matmul: a ", a.shape(), transpose_a ? " transposed" : "", ' ', name(a.dtype()), " and b ",
        b.shape(), transpose_b ? " transposed" : "", ' ', name(b.dtype()), " do not fit");
  const auto product = [](const Tensor& p, bool transpose_p, const Tensor& q, bool transpose_q) {
    Tensor y = Tensor::empty({p.dim(0), p.dim(transpose_p ? 2 : 1), q.dim(transpose_q ? 1 : 2)}, p.dtype(),
                             p.device());
    kernels::batched_matmul(p, transpose_p, q, transpose_q, y);
    return y;
  };
  const Tensor y = product(a.value(), transpose_a, b.value(), transpose_b);
  return tape().record("matmul", y, {a, b},
                       [a = a.value(), b = b.value(), transpose_a, transpose_b, product](const Tensor& dy) {
                         // For y = a b: da = dy b^T and db = a^T dy; a transposed operand has the transposed
                         // gradient.
                         const Tensor da = transpose_a ? product(b, transpose_b, dy, true)
                                                       : product(dy, false, b, !transpose_b);
                         const Tensor db = transpose_b ? product(dy, true, a, transpose_a)
                                                       : product(a, !transpose_a, dy, false);
                         return std::vector{da, db};
                       });
}

}  // namespace lf
