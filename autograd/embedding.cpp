// embedding and select_rows: look-ups of rows.
#include "autograd/ops.h"
#include "core/kernels/kernels.h"

namespace lf {

Var embedding(const Var& table, const Tensor& ids, double factor, DType dtype, int64_t padding) {
  CHECK(table.shape().rank() == 2 && ids.dtype() == DType::i32, "embedding: table is ", table.shape(),
        ", needed (V, D); ids are ", name(ids.dtype()), ", needed i32");
  std::vector<int64_t> dims = ids.shape().dims();
  dims.push_back(table.dim(1));
  const Shape rows{ids.elements(), table.dim(1)};
  Tensor y = Tensor::empty(Shape(dims), dtype, ids.device());
  Tensor y_rows = y.view(rows);
  kernels::embedding(table.value(), ids, factor, y_rows);
  return tape().record(
      "embedding", y, {table},
      [ids, factor, padding, rows, shape = table.shape(), parameter = table.dtype()](const Tensor& dy) {
        Tensor dtable = Tensor::empty(shape, parameter, dy.device());
        kernels::embedding_backward(ids, factor, padding, dy.view(rows), dtable);
        return std::vector{dtable};
      });
}

Var select_rows(const Var& x, const Tensor& rows) {
  CHECK(x.shape().rank() == 2 && rows.shape().rank() == 1 && rows.dtype() == DType::i32, "select_rows: x is ",
        x.shape(), ", needed (M, D); rows are ", rows.shape(), ' ', name(rows.dtype()), ", needed (N) i32");
  Tensor y = Tensor::empty({rows.elements(), x.dim(1)}, x.dtype(), rows.device());
  kernels::select_rows(x.value(), rows, y);
  return tape().record("select_rows", y, {x}, [rows, shape = x.shape()](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::select_rows_backward(rows, dy, dx);
    return std::vector{dx};
  });
}

}  // namespace lf
