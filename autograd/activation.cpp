#include "autograd/dropout.h"
#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

void check_probability(const char* op, const Dropout& drop) {
  CHECK(drop.probability >= 0 && drop.probability < 1, op, ": dropout probability ", drop.probability,
        " is outside [0, 1)");
}

}  // namespace

Tensor dropped(const Tensor& x, const Dropout& drop) {
  if (!drop.active()) return x;
  Tensor y = Tensor::like(x);
  kernels::dropout(x, drop, y);
  return y;
}

void check_residual(const char* op, const Var& residual, const Var& x, const Dropout& drop) {
  check_probability(op, drop);
  CHECK(residual.shape() == x.shape() && residual.dtype() == x.dtype(), op, ": residual ", residual.shape(),
        ' ', name(residual.dtype()), " and x ", x.shape(), ' ', name(x.dtype()), " must agree");
}

Var dropout(const Var& x, const Dropout& drop) {
  check_probability("dropout", drop);
  if (!drop.active()) return x;
  const Phase phase("dropout");
  return tape().record("dropout", dropped(x.value(), drop), {x},
                       [drop](const Tensor& dy) { return std::vector{dropped(dy, drop)}; });
}

Var add_dropout(const Var& residual, const Var& x, const Dropout& drop) {
  const Phase phase("add_dropout");
  check_residual("add_dropout", residual, x, drop);
  Tensor y = Tensor::like(x.value());
  kernels::add_dropout(residual.value(), x.value(), drop, y);
  return tape().record("add_dropout", y, {residual, x}, [drop](const Tensor& dy) {
    return std::vector{dy, dropped(dy, drop)};
  });
}

Var gelu_dropout(const Var& x, const Dropout& drop) {
  const Phase phase("gelu_dropout");
  check_probability("gelu_dropout", drop);
  Tensor y = Tensor::like(x.value());
  kernels::gelu_dropout(x.value(), drop, y);
  return tape().record("gelu_dropout", y, {x}, [x = x.value(), drop](const Tensor& dy) {
    Tensor dx = Tensor::like(x);
    kernels::gelu_dropout_backward(x, drop, dy, dx);
    return std::vector{dx};
  });
}

}  // namespace lf
