// y = x W^T + b and its gradients, and batched products.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/kernels/product.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace cpu {

void add_bias(const Tensor& bias, Tensor& y) {
  const int64_t columns = y.dim(1);
  visit_float(y.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const A* b = bias.data<A>();
    parallel_for(y.dim(0), 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        T* out = y.data<T>() + row * columns;
        for (int64_t i = 0; i < columns; ++i) out[i] = static_cast<T>(static_cast<A>(out[i]) + b[i]);
      }
    });
  });
}

void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  const int64_t rows = x.dim(0), inputs = x.dim(1), outputs = weight.dim(0);
  visit_float(x.dtype(), [&]<class T>() {
    kernels::multiply({rows, outputs, inputs, false, true}, x.data<T>(), weight.data<T>(), y.data<T>());
  });
  if (bias.defined()) add_bias(bias, y);
}

void linear_backward_input(const Tensor& weight, const Tensor& dy, Tensor& dx) {
  visit_float(dy.dtype(), [&]<class T>() {
    kernels::multiply({dy.dim(0), weight.dim(1), weight.dim(0), false, false}, dy.data<T>(), weight.data<T>(),
                      dx.data<T>());
  });
}

void column_sums(const Tensor& dy, Tensor& sums) {
  visit_float(dy.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const int64_t rows = dy.dim(0), columns = dy.dim(1);
    const Chunks chunks = reduction_chunks(rows, 64);
    std::vector<A> partial(static_cast<size_t>(chunks.count * columns), A{0});
    parallel_for(chunks.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        A* out = partial.data() + chunk * columns;
        for (int64_t row = chunk * chunks.size; row < std::min(rows, (chunk + 1) * chunks.size); ++row) {
          const T* in = dy.data<T>() + row * columns;
          for (int64_t i = 0; i < columns; ++i) out[i] += static_cast<A>(in[i]);
        }
      }
    });
    A* total = sums.data<A>();
    std::fill_n(total, columns, A{0});
    for (int64_t chunk = 0; chunk < chunks.count; ++chunk) {
      for (int64_t i = 0; i < columns; ++i) total[i] += partial[static_cast<size_t>(chunk * columns + i)];
    }
  });
}

void linear_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight, Tensor& dbias) {
  const Product product{dy.dim(1), x.dim(1), x.dim(0), true, false};
  visit_float(dy.dtype(), [&]<class T>() {
    if (dweight.dtype() == dy.dtype()) {
      kernels::multiply(product, dy.data<T>(), x.data<T>(), dweight.data<T>());
    } else if constexpr (std::is_same_v<T, bf16>) {
      kernels::multiply(product, dy.data<T>(), x.data<T>(), dweight.data<float>());
    }
  });
  if (dbias.defined()) column_sums(dy, dbias);
}

void batched_matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, Tensor& y) {
  const int64_t M = y.dim(1), N = y.dim(2), K = transpose_a ? a.dim(1) : a.dim(2);
  visit_float(y.dtype(), [&]<class T>() {
    for (int64_t g = 0; g < y.dim(0); ++g) {
      kernels::multiply({M, N, K, transpose_a, transpose_b}, a.data<T>() + g * M * K, b.data<T>() + g * K * N,
                        y.data<T>() + g * M * N);
    }
  });
}

}  // namespace cpu

void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  LF_DISPATCH(y.device(), linear, x, weight, bias, y);
}
void add_bias(const Tensor& bias, Tensor& y) { LF_DISPATCH(y.device(), add_bias, bias, y); }
void linear_backward_input(const Tensor& weight, const Tensor& dy, Tensor& dx) {
  LF_DISPATCH(dx.device(), linear_backward_input, weight, dy, dx);
}
void linear_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight, Tensor& dbias) {
  LF_DISPATCH(dy.device(), linear_backward_weight, x, dy, dweight, dbias);
}
void column_sums(const Tensor& dy, Tensor& sums) { LF_DISPATCH(dy.device(), column_sums, dy, sums); }
void batched_matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, Tensor& y) {
  LF_DISPATCH(y.device(), batched_matmul, a, transpose_a, b, transpose_b, y);
}

}  // namespace lf::kernels
