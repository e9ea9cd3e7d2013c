#include "core/kernels/convert.h"

#include "core/kernels/kernels.h"

namespace lf {

std::vector<double> read_together(const std::vector<Tensor>& scalars) {
  if (scalars.empty()) return {};
  const Tensor all = Tensor::empty({std::ssize(scalars)}, DType::f64, scalars.front().device());
  for (int64_t i = 0; i < all.elements(); ++i) {
    Tensor place = all.slice(i, i + 1);
    kernels::convert(scalars[static_cast<size_t>(i)].view({1}), place);
  }
  return all.to_doubles();
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  kernels::convert(x, y);
  return y;
}

}  // namespace lf
