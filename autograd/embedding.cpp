// embedding and select_rows: look-ups of rows.
#include "autograd/indices.h"
#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {

Var embedding(const Var& table, const Tensor& tokens, double factor, DType dtype, int64_t padding) {
  const Phase phase("embedding");
  CHECK(table.shape().rank() == 2 && tokens.dtype() == DType::i32, "embedding: table is ", table.shape(),
        ", needed (V, D); ids are ", name(tokens.dtype()), ", needed i32");
  const Tensor ids = indices_for(table.value(), tokens, 0, table.dim(0), "embedding");
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

Var select_rows(const Var& x, const Tensor& chosen) {
  const Phase phase("select_rows");
  CHECK(x.shape().rank() == 2 && chosen.shape().rank() == 1 && chosen.dtype() == DType::i32,
        "select_rows: x is ", x.shape(), ", needed (M, D); rows are ", chosen.shape(), ' ',
        name(chosen.dtype()), ", needed (N) i32");
  const Tensor rows = indices_for(x.value(), chosen, 0, x.dim(0), "select_rows");
  Tensor y = Tensor::empty({rows.elements(), x.dim(1)}, x.dtype(), rows.device());
  kernels::select_rows(x.value(), rows, y);
  return tape().record("select_rows", y, {x}, [rows, shape = x.shape()](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::select_rows_backward(rows, dy, dx);
    return std::vector{dx};
  });
}

}  // namespace lf
