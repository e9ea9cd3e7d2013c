#include "autograd/dropout.h"
#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

void check_parameters(const char* op, const Var& x, const Var& gamma, const Var& beta) {
  const int64_t D = x.dim(-1);
  CHECK(D > 0, op, ": x is ", x.shape(), ", needed a last axis of one or more");
  CHECK(gamma.shape() == Shape{D} && beta.shape() == Shape{D}, op, ": x is ", x.shape(),
        ", so gamma and beta must be ", Shape{D}, "; got ", gamma.shape(), " and ", beta.shape());
}

}  // namespace

Var layer_norm(const Var& x, const Var& gamma, const Var& beta, double epsilon) {
  const Phase phase("layer_norm");
  check_parameters("layer_norm", x, gamma, beta);
  const int64_t D = x.dim(-1);
  const Shape rows{x.value().elements() / D, D};
  Tensor y = Tensor::like(x.value());
  Tensor mean = Tensor::empty({rows[0]}, gamma.dtype(), y.device()), rstd = Tensor::like(mean);
  Tensor y_rows = y.view(rows);
  kernels::layer_norm(x.value().view(rows), gamma.value(), beta.value(), epsilon, y_rows, mean, rstd);
  return tape().record(
      "layer_norm", y, {x, gamma, beta},
      [x = x.value(), gamma = gamma.value(), mean, rstd, rows](const Tensor& dy) {
        Tensor dx = Tensor::like(x), dgamma = Tensor::like(gamma), dbeta = Tensor::like(gamma);
        Tensor dx_rows = dx.view(rows);
        kernels::layer_norm_backward(x.view(rows), gamma, mean, rstd, dy.view(rows), dx_rows, dgamma, dbeta);
        return std::vector{dx, dgamma, dbeta};
      });
}

SumAndNorm add_dropout_layer_norm(const Var& residual, const Var& x, const RowDropout& drop, const Var& gamma,
                                  const Var& beta, double epsilon) {
  if (!drop.is_whole()) {
    const Var sum = add_dropout(residual, x, drop);
    return {sum, layer_norm(sum, gamma, beta, epsilon)};
  }
  const char* op = "add_dropout_layer_norm";
  const Phase phase(op);
  check_parameters(op, x, gamma, beta);
  check_residual(op, residual, x, drop);
  const int64_t D = x.dim(-1);
  const Shape rows{x.value().elements() / D, D};
  const Tensor sum = Tensor::like(x.value()), y = Tensor::like(sum);
  Tensor mean = Tensor::empty({rows[0]}, gamma.dtype(), y.device()), rstd = Tensor::like(mean);
  Tensor sum_rows = sum.view(rows), y_rows = y.view(rows);
  kernels::add_dropout_layer_norm(residual.value().view(rows), x.value().view(rows), drop, gamma.value(),
                                  beta.value(), epsilon, sum_rows, y_rows, mean, rstd);
  const auto backward = [sum, gamma = gamma.value(), mean, rstd, rows,
                         drop = Dropout(drop)](const std::vector<Tensor>& dys) {
    const Tensor &dsum = dys[0], &dy = dys[1];
    if (!dy.defined()) return std::vector{dsum, dropped(dsum, drop), Tensor(), Tensor()};
    Tensor dresidual = Tensor::like(sum), dgamma = Tensor::like(gamma), dbeta = Tensor::like(gamma);
    Tensor dx = drop.active() ? Tensor::like(sum) : Tensor();
    Tensor dresidual_rows = dresidual.view(rows), dx_rows = dx.defined() ? dx.view(rows) : dx;
    kernels::add_dropout_layer_norm_backward(sum.view(rows), drop, gamma, mean, rstd,
                                             dsum.defined() ? dsum.view(rows) : dsum, dy.view(rows),
                                             dresidual_rows, dx_rows, dgamma, dbeta);
    return std::vector{dresidual, dx.defined() ? dx : dresidual, dgamma, dbeta};
  };
  const std::vector<Var> outputs = tape().record_all(op, {sum, y}, {residual, x, gamma, beta}, backward);
  return {outputs[0], outputs[1]};
}

}  // namespace lf
