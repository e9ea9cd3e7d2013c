// Banded products, one diagonal at a time: slow, but with no memory beyond inputs and outputs.
#include "autograd/ops.h"
#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

void check_operands(const char* op, const Var& a, const Var& b, const Diagonals& offsets) {
  CHECK(a.shape().rank() == 3 && b.shape() == a.shape() && b.dtype() == a.dtype(), op, ": ", a.shape(), ' ',
        name(a.dtype()), " and ", b.shape(), ' ', name(b.dtype()),
        "; needed one shape (G, K, T) and one dtype");
  for (const auto& diagonal : offsets) {
    CHECK(static_cast<int64_t>(diagonal.size()) == a.dim(0), op, ": ", diagonal.size(), " offsets for ",
          a.dim(0), " groups");
  }
}

// y[c] = the diagonal c of a b^T.
Tensor products(const Tensor& a, const Tensor& b, const Diagonals& offsets) {
  const auto diagonals = static_cast<int64_t>(offsets.size());
  const Shape rows{a.dim(0), a.dim(2)};
  Tensor y = Tensor::empty({diagonals, rows[0], rows[1]}, a.dtype(), a.device());
  for (int64_t c = 0; c < diagonals; ++c) {
    Tensor diagonal = y.slice(c, c + 1).view(rows);
    kernels::diagonal_dot(a, b, offsets[static_cast<size_t>(c)], diagonal);
  }
  return y;
}

// Adds up add(w[c], x, offsets[c]) over all diagonals, in the accumulator's dtype.
template <class F>
Tensor sums(const Tensor& w, const Tensor& x, const Diagonals& offsets, F&& add) {
  Tensor sum = Tensor::zeros(x.shape(), x.dtype() == DType::f64 ? DType::f64 : DType::f32, x.device());
  for (int64_t c = 0; c < w.dim(0); ++c) {
    add(w.slice(c, c + 1).view({w.dim(1), w.dim(2)}), x, offsets[static_cast<size_t>(c)], sum);
  }
  return cast(sum, x.dtype());
}

}  // namespace

Var diagonal_products(const Var& a, const Var& b, const Diagonals& offsets) {
  const Phase phase("diagonal_products");
  check_operands("diagonal_products", a, b, offsets);
  return tape().record("diagonal_products", products(a.value(), b.value(), offsets), {a, b},
                       [a = a.value(), b = b.value(), offsets](const Tensor& dy) {
                         return std::vector{sums(dy, b, offsets, kernels::diagonal_add),
                                            sums(dy, a, offsets, kernels::diagonal_add_back)};
                       });
}

Var diagonal_sums(const Var& w, const Var& x, const Diagonals& offsets) {
  const Phase phase("diagonal_sums");
  check_operands("diagonal_sums", x, x, offsets);
  const Shape weights{static_cast<int64_t>(offsets.size()), x.dim(0), x.dim(2)};
  CHECK(w.shape() == weights && w.dtype() == x.dtype(), "diagonal_sums: w is ", w.shape(), ' ',
        name(w.dtype()), ", x ", x.shape(), ' ', name(x.dtype()), "; needed w ", weights);
  return tape().record(
      "diagonal_sums", sums(w.value(), x.value(), offsets, kernels::diagonal_add), {w, x},
      [w = w.value(), x = x.value(), offsets](const Tensor& dy) {
        return std::vector{products(dy, x, offsets), sums(w, dy, offsets, kernels::diagonal_add_back)};
      });
}

}  // namespace lf
