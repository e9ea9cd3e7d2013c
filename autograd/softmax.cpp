#include "autograd/indices.h"
#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {

Var softmax(const Var& x) {
  const Phase phase("softmax");
  const int64_t C = x.dim(-1);
  const Shape rows{C ? x.value().elements() / C : 0, C};
  Tensor y = Tensor::like(x.value());
  Tensor y_rows = y.view(rows);
  kernels::softmax(x.value().view(rows), y_rows);
  return tape().record("softmax", y, {x}, [y, rows](const Tensor& dy) {
    Tensor dx = Tensor::like(y);
    Tensor dx_rows = dx.view(rows);
    kernels::softmax_backward(y.view(rows), dy.view(rows), dx_rows);
    return std::vector{dx};
  });
}

Var cross_entropy(const Var& logits, const Tensor& wanted, double smoothing) {
  const Phase phase("cross_entropy");
  const int64_t V = logits.dim(-1), positions = wanted.elements();
  CHECK(logits.value().elements() == positions * V && wanted.dtype() == DType::i32,
        "cross_entropy: logits are ", logits.shape(), ", targets ", wanted.shape(), ' ', name(wanted.dtype()),
        "; needed (..., V) and (...) i32");
  CHECK(smoothing >= 0 && smoothing < 1, "cross_entropy: label smoothing ", smoothing, " is outside [0, 1)");
  const Tensor targets = indices_for(logits.value(), wanted, -1, V, "cross_entropy: targets");
  const DType dtype = logits.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor rows = logits.value().view({positions, V});
  Tensor losses = Tensor::empty(targets.shape(), dtype, rows.device());
  Tensor lse = Tensor::empty({positions}, dtype, rows.device());
  Tensor flat = losses.view({positions});
  kernels::cross_entropy(rows, targets, smoothing, flat, lse);
  return tape().record("cross_entropy", losses, {logits},
                       [rows, targets, smoothing, lse, shape = logits.shape()](const Tensor& dlosses) {
                         // Where the vocabulary is large nothing else takes as much memory.
                         Tensor dlogits = rows.is_sole_owner() ? rows : Tensor::like(rows);
                         kernels::cross_entropy_backward(rows, targets, smoothing, lse, dlosses, dlogits);
                         return std::vector{dlogits.view(shape)};
                       });
}

}  // namespace lf
