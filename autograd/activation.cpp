#include "autograd/dropout.h"
#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

void check_probability(const char* op, const RowDropout& drop) {
  CHECK(drop.probability >= 0 && drop.probability < 1, op, ": dropout probability ", drop.probability,
        " is outside [0, 1)");
}

}  // namespace

Tensor dropped(const Tensor& x, const RowDropout& drop) {
  if (!drop.active()) return x;
  Tensor y = Tensor::like(x);
  drop.for_each_piece([&](const Dropout& settings, const auto& piece) {
    Tensor part = piece(y);
    kernels::dropout(piece(x), settings, part);
  });
  return y;
}

void check_residual(const char* op, const Var& residual, const Var& x, const RowDropout& drop) {
  check_probability(op, drop);
  CHECK(residual.shape() == x.shape() && residual.dtype() == x.dtype(), op, ": residual ", residual.shape(),
        ' ', name(residual.dtype()), " and x ", x.shape(), ' ', name(x.dtype()), " must agree");
}

Var dropout(const Var& x, const RowDropout& drop) {
  check_probability("dropout", drop);
  if (!drop.active()) return x;
  const Phase phase("dropout");
  return tape().record("dropout", dropped(x.value(), drop), {x},
                       [drop](const Tensor& dy) { return std::vector{dropped(dy, drop)}; });
}

Var add_dropout(const Var& residual, const Var& x, const RowDropout& drop) {
  const Phase phase("add_dropout");
  check_residual("add_dropout", residual, x, drop);
  Tensor y = Tensor::like(x.value());
  drop.for_each_piece([&](const Dropout& settings, const auto& piece) {
    Tensor part = piece(y);
    kernels::add_dropout(piece(residual.value()), piece(x.value()), settings, part);
  });
  return tape().record("add_dropout", y, {residual, x}, [drop](const Tensor& dy) {
    return std::vector{dy, dropped(dy, drop)};
  });
}

Var gelu_dropout(const Var& x, const RowDropout& drop) {
  const Phase phase("gelu_dropout");
  check_probability("gelu_dropout", drop);
  Tensor y = Tensor::like(x.value());
  drop.for_each_piece([&](const Dropout& settings, const auto& piece) {
    Tensor part = piece(y);
    kernels::gelu_dropout(piece(x.value()), settings, part);
  });
  return tape().record("gelu_dropout", y, {x}, [x = x.value(), drop](const Tensor& dy) {
    Tensor dx = Tensor::like(x);
    drop.for_each_piece([&](const Dropout& settings, const auto& piece) {
      Tensor part = piece(dx);
      kernels::gelu_dropout_backward(piece(x), settings, piece(dy), part);
    });
    return std::vector{dx};
  });
}

}  // namespace lf
