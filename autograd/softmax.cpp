#include "autograd/indices.h"
#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

// Kernels of a device cannot throw, and would reach beyond the rows.
void check_groups(const Tensor& groups, int64_t rows) {
  if (groups.device() != Device::cpu) return;
  const int32_t* offset = groups.data<int32_t>();
  bool in_order = offset[0] == 0;
  for (int64_t g = 1; g < groups.elements(); ++g) in_order = in_order && offset[g - 1] <= offset[g];
  CHECK(in_order && offset[groups.elements() - 1] == rows,
        "marked_cross_entropy: groups must rise from 0 to ", rows, ", the rows of logits");
}

}  // namespace

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

Var marked_cross_entropy(const Var& logits, const Tensor& wanted_marks, const Tensor& wanted_groups) {
  const Phase phase("marked_cross_entropy");
  const int64_t N = logits.dim(0), G = wanted_groups.elements() - 1;
  CHECK(logits.shape().rank() == 2 && wanted_marks.shape() == logits.shape() &&
            wanted_marks.dtype() == DType::i32 && wanted_groups.dtype() == DType::i32 && G >= 0,
        "marked_cross_entropy: logits are ", logits.shape(), ", marks ", wanted_marks.shape(), ' ',
        name(wanted_marks.dtype()), ", groups ", wanted_groups.shape(), ' ', name(wanted_groups.dtype()),
        "; needed (N, C), (N, C) i32 and (G+1) i32");
  check_groups(wanted_groups, N);
  const Tensor marks = wanted_marks.to(logits.value().device());
  const Tensor groups = wanted_groups.to(logits.value().device());
  const DType dtype = logits.dtype() == DType::f64 ? DType::f64 : DType::f32;
  Tensor losses = Tensor::empty({G, logits.dim(1)}, dtype, logits.value().device());
  Tensor lse = Tensor::like(losses), marked_lse = Tensor::like(losses);
  kernels::marked_cross_entropy(logits.value(), marks, groups, losses, lse, marked_lse);
  return tape().record("marked_cross_entropy", losses, {logits},
                       [x = logits.value(), marks, groups, lse, marked_lse](const Tensor& dlosses) {
                         Tensor dlogits = Tensor::like(x);
                         kernels::marked_cross_entropy_backward(x, marks, groups, lse, marked_lse, dlosses,
                                                                dlogits);
                         return std::vector{dlogits};
                       });
}

}  // namespace lf
