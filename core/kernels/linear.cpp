// Matrix products: y = x W^T + b and its gradients, and batched products. Single precision and bf16 go to
// oneDNN; double, which only serves gradient checks, to a plain blocked loop.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <type_traits>

#include <oneapi/dnnl/dnnl.hpp>

#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf::kernels {
namespace {

// One product C (M,N) = A (M,K) B (K,N), row-major; `transpose` means that the matrix is stored the other way
// round.
struct Product {
  int64_t M, N, K;
  bool transpose_a, transpose_b;

  int64_t stride_a() const { return transpose_a ? M : K; }
  int64_t stride_b() const { return transpose_b ? K : N; }
};

// oneDNN 2.6 picks AMX on some virtual machines that do not let it run, and dies with SIGILL. The cap only
// counts before the first call of any kind; a cap that the user set stays.
void cap_instructions() {
  static const bool done = [] {
    const bool chosen = std::getenv("ONEDNN_MAX_CPU_ISA") || std::getenv("DNNL_MAX_CPU_ISA");
    if (!chosen) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16);
    return true;
  }();
  static_cast<void>(done);
}

void multiply(const Product& p, const float* a, const float* b, float* c) {
  cap_instructions();
  const dnnl_status_t status = dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.M, p.N, p.K,
                                          1.0f, a, p.stride_a(), b, p.stride_b(), 0.0f, c, p.N);
  CHECK(status == dnnl_success, "linear: oneDNN's sgemm of ", p.M, " x ", p.N, " x ", p.K,
        " failed with status ", static_cast<int>(status));
}

void multiply(const Product& p, const double* a, const double* b, double* c) {
  parallel_for(p.M, 8, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      double* row = c + m * p.N;
      std::fill_n(row, p.N, 0.0);
      for (int64_t k = 0; k < p.K; ++k) {
        const double x = p.transpose_a ? a[k * p.M + m] : a[m * p.K + k];
        if (p.transpose_b) {
          for (int64_t n = 0; n < p.N; ++n) row[n] += x * b[n * p.K + k];
        } else {
          for (int64_t n = 0; n < p.N; ++n) row[n] += x * b[k * p.N + n];
        }
      }
    }
  });
}

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// A compiled product of bf16 with the layouts it was compiled for.
struct CompiledProduct {
  dnnl::memory::desc a, b, c;
  dnnl::matmul run;
};

CompiledProduct compile(const Product& p, dnnl::memory::data_type result_type) {
  using dnnl::memory;
  const auto layout = [](int64_t rows, int64_t columns, bool transposed) {
    return memory::desc({rows, columns}, memory::data_type::bf16,
                        transposed ? memory::dims{1, rows} : memory::dims{columns, 1});
  };
  CompiledProduct result{layout(p.M, p.K, p.transpose_a),
                         layout(p.K, p.N, p.transpose_b),
                         memory::desc({p.M, p.N}, result_type, memory::dims{p.N, 1}),
                         {}};
#if DNNL_VERSION_MAJOR >= 3
  result.run = dnnl::matmul(dnnl::matmul::primitive_desc(engine(), result.a, result.b, result.c));
#else
  const dnnl::matmul::desc operation(result.a, result.b, result.c);
  result.run = dnnl::matmul(dnnl::matmul::primitive_desc(operation, engine()));
#endif
  return result;
}

// Before AVX-512 oneDNN has no bf16 product at all.
bool multiplies_bf16() {
  static const bool works = [] {
    try {
      compile({16, 16, 16, false, false}, dnnl::memory::data_type::bf16);
      return true;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return works;
}

// bf16 through float copies.
void multiply_widened(const Product& p, const bf16* a, const bf16* b, float* c) {
  const auto widened = [](const bf16* from, int64_t count) {
    std::vector<float> to(static_cast<size_t>(count));
    parallel_for(count, 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[static_cast<size_t>(i)] = static_cast<float>(from[i]);
    });
    return to;
  };
  multiply(p, widened(a, p.M * p.K).data(), widened(b, p.K * p.N).data(), c);
}
void multiply_widened(const Product& p, const bf16* a, const bf16* b, bf16* c) {
  std::vector<float> wide(static_cast<size_t>(p.M * p.N));
  multiply_widened(p, a, b, wide.data());
  parallel_for(p.M * p.N, 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) c[i] = bf16(wide[static_cast<size_t>(i)]);
  });
}

// Result is bf16 or float. Compiling generates code, so the product of each shape is kept.
template <class Result>
void multiply(const Product& p, const bf16* a, const bf16* b, Result* c) {
  constexpr auto kType =
      std::is_same_v<Result, float> ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  if (p.M * p.N * p.K == 0) {  // oneDNN takes no matrix without elements
    std::fill_n(c, p.M * p.N, Result(0.0f));
    return;
  }
  cap_instructions();
  if (!multiplies_bf16()) return multiply_widened(p, a, b, c);
  static std::mutex mutex;
  static std::map<std::array<int64_t, 5>, CompiledProduct> products;
  const std::lock_guard lock(mutex);
  const std::array<int64_t, 5> key{p.M, p.N, p.K, p.transpose_a, p.transpose_b};
  auto found = products.find(key);
  if (found == products.end()) found = products.emplace(key, compile(p, kType)).first;
  const CompiledProduct& product = found->second;
  const auto wrap = [](const dnnl::memory::desc& desc, const void* data) {
    return dnnl::memory(desc, engine(), const_cast<void*>(data));
  };
  dnnl::stream stream(engine());
  product.run.execute(stream, {{DNNL_ARG_SRC, wrap(product.a, a)},
                               {DNNL_ARG_WEIGHTS, wrap(product.b, b)},
                               {DNNL_ARG_DST, wrap(product.c, c)}});
  stream.wait();
}

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
  const int64_t rows = x.dim(0), inputs = x.dim(1), outputs = weight.dim(0);
  visit_float(x.dtype(), [&]<class T>() {
    multiply({rows, outputs, inputs, false, true}, x.data<T>(), weight.data<T>(), y.data<T>());
  });
  if (bias.defined()) add_bias(bias, y);
}

void linear_backward_input(const Tensor& weight, const Tensor& dy, Tensor& dx) {
  visit_float(dy.dtype(), [&]<class T>() {
    multiply({dy.dim(0), weight.dim(1), weight.dim(0), false, false}, dy.data<T>(), weight.data<T>(),
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
      multiply(product, dy.data<T>(), x.data<T>(), dweight.data<T>());
    } else if constexpr (std::is_same_v<T, bf16>) {
      multiply(product, dy.data<T>(), x.data<T>(), dweight.data<float>());
    }
  });
  if (dbias.defined()) column_sums(dy, dbias);
}

void batched_matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, Tensor& y) {
  const int64_t M = y.dim(1), N = y.dim(2), K = transpose_a ? a.dim(1) : a.dim(2);
  visit_float(y.dtype(), [&]<class T>() {
    for (int64_t g = 0; g < y.dim(0); ++g) {
      multiply({M, N, K, transpose_a, transpose_b}, a.data<T>() + g * M * K, b.data<T>() + g * K * N,
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
