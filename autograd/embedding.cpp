#include "autograd/ops.h"
#include "core/kernels/kernels.h"

namespace lf {

Var embedding(const Var& table, const Tensor& ids, double factor, DType dtype) {
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
      [ids, factor, rows, shape = table.shape(), parameter = table.dtype()](const Tensor& dy) {
        Tensor dtable = Tensor::empty(shape, parameter, dy.device());
        kernels::embedding_backward(ids, factor, dy.view(rows), dtable);
        return std::vector{dtable};
      });
}

}  // namespace lf
