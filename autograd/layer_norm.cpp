#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {

Var layer_norm(const Var& x, const Var& gamma, const Var& beta, double epsilon) {
  const Phase phase("layer_norm");
  const int64_t D = x.dim(-1);
  CHECK(D > 0, "layer_norm: x is ", x.shape(), ", needed a last axis of one or more");
  CHECK(gamma.shape() == Shape{D} && beta.shape() == Shape{D}, "layer_norm: x is ", x.shape(),
        ", so gamma and beta must be ", Shape{D}, "; got ", gamma.shape(), " and ", beta.shape());
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

}  // namespace lf
