// y = x W^T + b and its gradients, and batched products.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/kernels/product.h"
#include "core/operations.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {

double operations_of(const Product& p) {
  return 2 * static_cast<double>(p.M) * static_cast<double>(p.N) * static_cast<double>(p.K);
}

Product forward_product(const Tensor& x, const Tensor& weight) {
  return {x.dim(0), weight.dim(0), x.dim(1), false, true};
}
Product input_product(const Tensor& weight, const Tensor& dy) {
  return {dy.dim(0), weight.dim(1), weight.dim(0), false, false};
}
Product weight_product(const Tensor& x, const Tensor& dy) {
  return {dy.dim(1), x.dim(1), x.dim(0), true, false};
}
// One of a batch.
Product batch_product(const Tensor& a, bool transpose_a, bool transpose_b, const Tensor& y) {
  return {y.dim(1), y.dim(2), transpose_a ? a.dim(1) : a.dim(2), transpose_a, transpose_b};
}

Chunks chunks_of_rows(const Tensor& dy) { return reduction_chunks(dy.dim(0), 64); }

// Of column_sums on the CPU.
int64_t partial_sums_bytes(const Tensor& dy) {
  const int64_t element = dy.dtype() == DType::f64 ? 8 : 4;
  return chunks_of_rows(dy).count * dy.dim(1) * element;
}

int64_t on_cpu(Device device, int64_t bytes) { return device == Device::cpu ? bytes : 0; }

}  // namespace

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
  visit_float(x.dtype(), [&]<class T>() {
    kernels::multiply(forward_product(x, weight), x.data<T>(), weight.data<T>(), y.data<T>());
  });
  if (bias.defined()) add_bias(bias, y);
}

void linear_backward_input(const Tensor& weight, const Tensor& dy, Tensor& dx) {
  visit_float(dy.dtype(), [&]<class T>() {
    kernels::multiply(input_product(weight, dy), dy.data<T>(), weight.data<T>(), dx.data<T>());
  });
}

void column_sums(const Tensor& dy, Tensor& sums) {
  visit_float(dy.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const int64_t rows = dy.dim(0), columns = dy.dim(1);
    const Chunks chunks = chunks_of_rows(dy);
    const ScratchCount counted(partial_sums_bytes(dy));
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
  const Product product = weight_product(x, dy);
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
  const Product p = batch_product(a, transpose_a, transpose_b, y);
  visit_float(y.dtype(), [&]<class T>() {
    for (int64_t g = 0; g < y.dim(0); ++g) {
      kernels::multiply(p, a.data<T>() + g * p.M * p.K, b.data<T>() + g * p.K * p.N,
                        y.data<T>() + g * p.M * p.N);
    }
  });
}

}  // namespace cpu

void linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  const Product product = forward_product(x, weight);
  count_products(operations_of(product));
  plan_scratch(y.device(),
               [&](Device d) { return on_cpu(d, product_scratch(product, x.dtype(), y.dtype())); });
  LF_DISPATCH(y.device(), linear, x, weight, bias, y);
}
void add_bias(const Tensor& bias, Tensor& y) { LF_DISPATCH(y.device(), add_bias, bias, y); }
void linear_backward_input(const Tensor& weight, const Tensor& dy, Tensor& dx) {
  const Product product = input_product(weight, dy);
  count_products(operations_of(product));
  plan_scratch(dx.device(),
               [&](Device d) { return on_cpu(d, product_scratch(product, dy.dtype(), dx.dtype())); });
  LF_DISPATCH(dx.device(), linear_backward_input, weight, dy, dx);
}
void linear_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight, Tensor& dbias) {
  const Product product = weight_product(x, dy);
  count_products(operations_of(product));
  plan_scratch(dy.device(), [&](Device d) {
    const int64_t sums = dbias.defined() ? partial_sums_bytes(dy) : 0;
    return on_cpu(d, std::max(product_scratch(product, dy.dtype(), dweight.dtype()), sums));
  });
  LF_DISPATCH(dy.device(), linear_backward_weight, x, dy, dweight, dbias);
}
void column_sums(const Tensor& dy, Tensor& sums) {
  plan_scratch(dy.device(), [&](Device d) { return on_cpu(d, partial_sums_bytes(dy)); });
  LF_DISPATCH(dy.device(), column_sums, dy, sums);
}
void batched_matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, Tensor& y) {
  const Product product = batch_product(a, transpose_a, transpose_b, y);
  count_products(static_cast<double>(y.dim(0)) * operations_of(product));
  plan_scratch(y.device(),
               [&](Device d) { return on_cpu(d, product_scratch(product, a.dtype(), y.dtype())); });
  LF_DISPATCH(y.device(), batched_matmul, a, transpose_a, b, transpose_b, y);
}

}  // namespace lf::kernels
