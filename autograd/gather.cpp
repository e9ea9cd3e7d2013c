// reshape, slice, gather_columns, swap_axes: moving elements.
#include <algorithm>
#include <utility>

#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

void check_columns(const Tensor& index, int64_t columns) {
  if (index.device() != Device::cpu) return;  // there the kernel sees to it
  const int32_t* values = index.data<int32_t>();
  for (int64_t i = 0; i < index.elements(); ++i) {
    CHECK(values[i] >= -1 && values[i] < columns, "gather_columns: index ", values[i], " is outside the ",
          columns, " columns of x");
  }
}

}  // namespace

Var reshape(const Var& x, const Shape& shape) {
  return tape().record("reshape", x.value().view(shape), {x},
                       [before = x.shape()](const Tensor& dy) { return std::vector{dy.view(before)}; });
}

Var slice(const Var& x, int64_t begin, int64_t end) {
  return tape().record("slice", x.value().slice(begin, end), {x},
                       [shape = x.shape(), begin, end](const Tensor& dy) {
                         Tensor dx = Tensor::zeros(shape, dy.dtype(), dy.device());
                         dx.slice(begin, end).copy_from(dy);
                         return std::vector{dx};
                       });
}

Var gather_columns(const Var& x, const Tensor& columns, double fill) {
  const Phase phase("gather_columns");
  const int64_t C = x.dim(-1), rows = x.value().elements() / std::max<int64_t>(C, 1);
  CHECK(columns.shape().rank() == 2 && columns.dtype() == DType::i32 && columns.dim(0) > 0 &&
            rows % columns.dim(0) == 0,
        "gather_columns: x is ", x.shape(), ", index ", columns.shape(), ' ', name(columns.dtype()),
        "; needed (R, E) i32 with R dividing the rows of x");
  check_columns(columns, C);
  const Tensor index = columns.to(x.value().device());
  Tensor y = Tensor::empty(x.shape().with_last(index.dim(1)), x.dtype(), x.value().device());
  Tensor y_rows = y.view({rows, index.dim(1)});
  kernels::gather_columns(x.value().view({rows, C}), index, fill, y_rows);
  return tape().record("gather_columns", y, {x}, [index, rows, shape = x.shape()](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    Tensor dx_rows = dx.view({rows, shape[-1]});
    kernels::gather_columns_backward(index, dy.view({rows, index.dim(1)}), dx_rows);
    return std::vector{dx};
  });
}

Var swap_axes(const Var& x, int64_t axis) {
  const Phase phase("swap_axes");
  CHECK(axis >= 0 && axis + 1 < x.shape().rank(), "swap_axes: ", x.shape(), " has no axes ", axis, " and ",
        axis + 1);
  std::vector<int64_t> dims = x.shape().dims();
  const auto at = static_cast<size_t>(axis);
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < at; ++i) outer *= dims[i];
  for (size_t i = at + 2; i < dims.size(); ++i) inner *= dims[i];
  const int64_t first = dims[at], second = dims[at + 1];
  std::swap(dims[at], dims[at + 1]);
  Tensor y = Tensor::empty(Shape(dims), x.dtype(), x.value().device());
  kernels::swap_axes(x.value(), outer, first, second, inner, y);
  return tape().record("swap_axes", y, {x}, [=, shape = x.shape()](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::swap_axes(dy, outer, second, first, inner, dx);
    return std::vector{dx};
  });
}

}  // namespace lf
