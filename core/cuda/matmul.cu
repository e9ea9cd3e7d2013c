#include "core/cuda/matmul.h"

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>

#include "core/cuda/cublaslt.h"
#include "core/cuda/runtime.h"
#include "core/device_memory.h"
#include "core/out_of_memory.h"
#include "core/recent.h"

namespace lf::cuda {
namespace {

// A model has a few dozen shapes, and masked language models a number of targets that changes.
constexpr size_t kMostPlans = 2048;
constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what NVIDIA recommends for Hopper

void check_blas(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string message = text("device cuda: cuBLASLt: ", what, ": ", cublasLtGetStatusString(status),
                                   " (", cublasLtGetStatusName(status), ')');
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw OutOfMemory(message + "; the device's memory is full");
  throw Error(message);
}

cublasLtHandle_t handle() {
  device();  // the library's calls use the calling thread's, whichever thread opened it
  static cublasLtHandle_t the_handle = [] {
    cublasLtHandle_t created = nullptr;
    check_blas(cublasLtCreate(&created), "opening the library");
    return created;
  }();
  return the_handle;
}

// One for all products: they run one after the other.
void* workspace() {
  static void* memory = [] {
    void* block = allocate(kWorkspaceBytes);
    if (!block) {
      throw OutOfMemory(text("device cuda: no memory left for the ", kWorkspaceBytes >> 20,
                             " MiB that matrix products work in"));
    }
    return block;
  }();
  return memory;
}

template <const auto& Destroy>
struct Destroyer {
  template <class T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
template <class Handle, const auto& Destroy>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Destroyer<Destroy>>;
using Description = Owner<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owner<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owner<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// A product of a shape with everything that the library wants to know; in its words, where matrices are
// column-major, so that C^T = B^T A^T is computed.
struct Plan {
  Description description;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm;
};

// All that a plan depends on.
struct Request {
  Product product;
  DType operands, result;
  cublasLtEpilogue_t epilogue;
  int align_a, align_b, align_c, align_bias;  // bytes

  auto key() const {
    const Product& p = product;
    return std::array<int64_t, 13>{p.M,
                                   p.N,
                                   p.K,
                                   p.transpose_a,
                                   p.transpose_b,
                                   p.batches,
                                   static_cast<int64_t>(operands),
                                   static_cast<int64_t>(result),
                                   epilogue,
                                   align_a,
                                   align_b,
                                   align_c,
                                   align_bias};
  }
};

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return CUDA_R_16BF;
    case DType::f64:
      return CUDA_R_64F;
    default:
      return CUDA_R_32F;
  }
}

// The largest power of two up to 256 that divides the address.
int alignment_of(const Tensor& tensor) {
  constexpr uintptr_t kMost = 256;
  const auto address = reinterpret_cast<uintptr_t>(tensor.raw()) | kMost;
  return static_cast<int>(address & (~address + 1));
}

template <class Value>
void set(const Description& description, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check_blas(cublasLtMatmulDescSetAttribute(description.get(), attribute, &value, sizeof(value)),
             "describing a product");
}
template <class Value>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
  check_blas(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof(value)),
             "describing what a product may use");
}

// A column-major matrix of `rows` x `columns` without gaps.
Layout make_layout(DType dtype, int64_t rows, int64_t columns, int64_t batches) {
  cublasLtMatrixLayout_t created = nullptr;
  check_blas(cublasLtMatrixLayoutCreate(&created, type_of(dtype), static_cast<uint64_t>(rows),
                                        static_cast<uint64_t>(columns), rows),
             "describing a matrix");
  Layout layout(created);
  if (batches == 1) return layout;
  const auto count = static_cast<int32_t>(batches);
  const int64_t stride = rows * columns;
  check_blas(
      cublasLtMatrixLayoutSetAttribute(created, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)),
      "describing a matrix");
  check_blas(cublasLtMatrixLayoutSetAttribute(created, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                              sizeof(stride)),
             "describing a matrix");
  return layout;
}

Description make_description(const Request& request, const void* bias) {
  const bool is_double = request.operands == DType::f64;
  cublasLtMatmulDesc_t created = nullptr;
  check_blas(cublasLtMatmulDescCreate(&created, is_double ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                      is_double ? CUDA_R_64F : CUDA_R_32F),
             "describing a product");
  Description description(created);
  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, operation(request.product.transpose_b));
  set(description, CUBLASLT_MATMUL_DESC_TRANSB, operation(request.product.transpose_a));
  if (bias) {
    set(description, CUBLASLT_MATMUL_DESC_EPILOGUE, request.epilogue);
    set(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);  // its alignment counts for the choice
  }
  return description;
}

Preference make_preference(const Request& request) {
  cublasLtMatmulPreference_t created = nullptr;
  check_blas(cublasLtMatmulPreferenceCreate(&created), "describing what a product may use");
  Preference preference(created);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  // Where K is cut into parts, their sums stay f32 until they are added up, in order.
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(request.align_b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(request.align_a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(request.align_c));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(request.align_c));
  return preference;
}

// Nothing where the library has no such product.
std::optional<Plan> make_plan(const Request& request, const void* bias) {
  const auto& [M, N, K, transpose_a, transpose_b, batches] = request.product;
  Plan plan{make_description(request, bias),
            transpose_b ? make_layout(request.operands, K, N, batches)
                        : make_layout(request.operands, N, K, batches),
            transpose_a ? make_layout(request.operands, M, K, batches)
                        : make_layout(request.operands, K, M, batches),
            make_layout(request.result, N, M, batches),
            {}};
  cublasLtMatmulHeuristicResult_t best = {};
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle(), plan.description.get(), plan.a.get(), plan.b.get(), plan.c.get(), plan.c.get(),
      make_preference(request).get(), 1, &best, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && found == 0)) return {};
  // Some versions call an epilogue that a shape cannot have an invalid value; there is another way to it.
  if (status == CUBLAS_STATUS_INVALID_VALUE && request.epilogue != CUBLASLT_EPILOGUE_DEFAULT) return {};
  check_blas(status, "choosing an algorithm");
  check_blas(best.state, "choosing an algorithm");
  plan.algorithm = best.algo;
  return plan;
}

void run(const Plan& plan, const Request& request, const Tensor& a, const Tensor& b, Tensor& c) {
  const float one = 1, zero = 0;
  const double double_one = 1, double_zero = 0;
  const bool is_double = request.operands == DType::f64;
  const void* alpha = is_double ? static_cast<const void*>(&double_one) : &one;
  const void* beta = is_double ? static_cast<const void*>(&double_zero) : &zero;
  check_blas(cublasLtMatmul(handle(), plan.description.get(), alpha, b.raw(), plan.a.get(), a.raw(),
                            plan.b.get(), beta, c.raw(), plan.c.get(), c.raw(), plan.c.get(), &plan.algorithm,
                            workspace(), kWorkspaceBytes, stream()),
             "multiplying");
}

// `bias` is what the epilogue adds or writes, or null. False where the library has no such product.
bool multiply(const Product& product, cublasLtEpilogue_t epilogue, const Tensor& a, const Tensor& b,
              const void* bias, int bias_alignment, Tensor& c) {
  CHECK(a.dtype() == b.dtype(), "product of ", name(a.dtype()), " and ", name(b.dtype()),
        "; needed one dtype");
  if (c.elements() == 0) return true;
  const Request request{product,         a.dtype(),       c.dtype(),       epilogue,
                        alignment_of(a), alignment_of(b), alignment_of(c), bias_alignment};
  static std::mutex mutex;
  using Plans = Recent<decltype(request.key()), std::optional<Plan>>;
  static auto& plans = *new Plans(kMostPlans);  // outlives the library
  const std::lock_guard lock(mutex);
  const std::optional<Plan>& plan = plans.get(request.key(), [&] { return make_plan(request, bias); });
  if (!plan) return false;
  if (bias) set(plan->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  run(*plan, request, a, b, c);
  return true;
}

}  // namespace

void multiply(const Product& product, const Tensor& a, const Tensor& b, Tensor& c) {
  if (product.K == 0) return c.fill_zero();  // the library takes no matrix without elements
  CHECK(multiply(product, CUBLASLT_EPILOGUE_DEFAULT, a, b, nullptr, 0, c),
        "device cuda: cuBLASLt has no product of ", product.M, " x ", product.K, " and ", product.K, " x ",
        product.N, " in ", name(a.dtype()), " for ", device().name);
}

bool multiply_and_add_bias(const Product& product, const Tensor& a, const Tensor& b, const Tensor& bias,
                           Tensor& c) {
  return product.K > 0 && multiply(product, CUBLASLT_EPILOGUE_BIAS, a, b, bias.raw(), alignment_of(bias), c);
}

bool multiply_and_sum(const Product& product, const Tensor& a, const Tensor& b, Tensor& c, Tensor& sums) {
  return product.K > 0 && product.N > 0 &&
         multiply(product, CUBLASLT_EPILOGUE_BGRADB, a, b, sums.raw(), alignment_of(sums), c);
}

}  // namespace lf::cuda
