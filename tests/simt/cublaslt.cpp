// The stand-in's matrix products; see include/cublasLt.h. Sums are in double, so that results are those of a
// library with any order of summation, to rounding.
#include "tests/simt/cublaslt.h"

#include <cublasLt.h>

#include <algorithm>
#include <cstring>

#include "core/dtype.h"
#include "tests/simt/device_memory.h"

struct SimulatedBlas {};
struct SimulatedMatmulDesc {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  cublasOperation_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct SimulatedLayout {
  cudaDataType_t type;
  uint64_t rows, columns;
  int64_t stride;  // between columns
  int32_t batches = 1;
  int64_t batch_stride = 0;
};
struct SimulatedPreference {
  uint64_t workspace = 0;
  uint32_t reductions = 7;
  uint32_t align[4] = {256, 256, 256, 256};  // of A, B, C, D
};

namespace {

using lf::bf16;

// What a chosen algorithm promises to work for; kept in cublasLtMatmulAlgo_t.
struct Choice {
  uint32_t align[4];
  uint32_t m, n, k;
  uint8_t transpose_a, transpose_b, type, result;
  int32_t epilogue, batches;
  uint64_t workspace;
};
static_assert(sizeof(Choice) <= sizeof(cublasLtMatmulAlgo_t));

constexpr uint64_t kWorkspace = 4096;  // that every algorithm asks for and overwrites

bool refuses_fused_bias = false;
lf::simt::BlasUse use;

size_t bytes_of(cudaDataType_t type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

template <class Value>
cublasStatus_t take(Value& target, const void* value, size_t bytes) {
  if (bytes != sizeof(Value)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&target, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

// Element (row, column) of an operand as the product sees it, after transposition.
template <class T>
struct Operand {
  const T* data;
  int64_t stride;
  bool transposed;

  double operator()(int64_t row, int64_t column) const {
    const T value = transposed ? data[column + row * stride] : data[row + column * stride];
    return static_cast<double>(static_cast<lf::Accumulator<T>>(value));
  }
};

uint64_t op_rows(const SimulatedLayout& x, cublasOperation_t op) {
  return op == CUBLAS_OP_N ? x.rows : x.columns;
}
uint64_t op_columns(const SimulatedLayout& x, cublasOperation_t op) {
  return op == CUBLAS_OP_N ? x.columns : x.rows;
}

cublasStatus_t check_shapes(const SimulatedMatmulDesc& p, const SimulatedLayout& a, const SimulatedLayout& b,
                            const SimulatedLayout& c, const SimulatedLayout& d) {
  for (const SimulatedLayout* x : {&a, &b, &c, &d}) {
    if (x->rows == 0 || x->columns == 0 || x->stride < static_cast<int64_t>(x->rows) ||
        x->batches != d.batches)
      return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (d.batches > 1 &&
      d.batch_stride < static_cast<int64_t>(d.columns - 1) * d.stride + static_cast<int64_t>(d.rows))
    return CUBLAS_STATUS_INVALID_VALUE;
  const bool fits = op_rows(a, p.transpose_a) == d.rows && op_columns(b, p.transpose_b) == d.columns &&
                    op_columns(a, p.transpose_a) == op_rows(b, p.transpose_b) && c.rows == d.rows &&
                    c.columns == d.columns && c.type == d.type;
  return fits ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

// The rows of the library's table of types that the stand-in knows.
cublasStatus_t check_types(const SimulatedMatmulDesc& p, const SimulatedLayout& a, const SimulatedLayout& b,
                           const SimulatedLayout& d) {
  bool known = a.type == b.type;
  if (p.compute == CUBLAS_COMPUTE_64F) {
    known = known && p.scale == CUDA_R_64F && a.type == CUDA_R_64F && d.type == CUDA_R_64F;
  } else {
    known = known && p.scale == CUDA_R_32F && a.type != CUDA_R_64F &&
            (d.type == a.type || (a.type == CUDA_R_16BF && d.type == CUDA_R_32F));
  }
  if (p.epilogue != CUBLASLT_EPILOGUE_DEFAULT) {
    if (!p.bias) return CUBLAS_STATUS_INVALID_VALUE;
    known = known && p.compute == CUBLAS_COMPUTE_32F && d.batches == 1 && !refuses_fused_bias;
  }
  return known ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

Choice choice_for(const SimulatedMatmulDesc& p, const SimulatedLayout& a, const SimulatedLayout& d) {
  Choice choice{};
  choice.m = static_cast<uint32_t>(d.rows), choice.n = static_cast<uint32_t>(d.columns);
  choice.k = static_cast<uint32_t>(op_columns(a, p.transpose_a));
  choice.transpose_a = p.transpose_a, choice.transpose_b = p.transpose_b;
  choice.type = static_cast<uint8_t>(a.type), choice.result = static_cast<uint8_t>(d.type);
  choice.epilogue = p.epilogue;
  choice.batches = d.batches;
  choice.workspace = kWorkspace;
  return choice;
}

// Whether the matrix lies in device memory and at an address as even as was promised.
bool usable(const void* data, const SimulatedLayout& x, uint32_t alignment) {
  const auto last = static_cast<size_t>((x.batches - 1) * x.batch_stride) +
                    (x.columns - 1) * static_cast<size_t>(x.stride) + x.rows;
  return lf::simt::on_device(data, last * bytes_of(x.type)) &&
         reinterpret_cast<uintptr_t>(data) % alignment == 0;
}

template <class T, class R>
void multiply(const SimulatedMatmulDesc& p, double alpha, double beta, const SimulatedLayout& a,
              const T* a_data, const SimulatedLayout& b, const T* b_data, const SimulatedLayout& c,
              const R* c_data, const SimulatedLayout& d, R* d_data) {
  using A = lf::Accumulator<R>;
  const auto* bias = static_cast<const R*>(p.bias);
  auto* sums = static_cast<R*>(const_cast<void*>(p.bias));
  const auto K = static_cast<int64_t>(op_columns(a, p.transpose_a));
  for (int64_t batch = 0; batch < d.batches; ++batch) {
    const Operand<T> left{a_data + batch * a.batch_stride, a.stride, p.transpose_a == CUBLAS_OP_T};
    const Operand<T> right{b_data + batch * b.batch_stride, b.stride, p.transpose_b == CUBLAS_OP_T};
    for (int64_t column = 0; column < static_cast<int64_t>(d.columns); ++column) {
      if (p.epilogue == CUBLASLT_EPILOGUE_BGRADB) {
        double sum = 0;
        for (int64_t k = 0; k < K; ++k) sum += right(k, column);
        sums[column] = static_cast<R>(static_cast<A>(sum));
      }
      for (int64_t row = 0; row < static_cast<int64_t>(d.rows); ++row) {
        double sum = 0;
        for (int64_t k = 0; k < K; ++k) sum += left(row, k) * right(k, column);
        sum *= alpha;
        if (beta != 0) sum += beta * static_cast<A>(c_data[batch * c.batch_stride + column * c.stride + row]);
        if (p.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += static_cast<A>(bias[row]);
        d_data[batch * d.batch_stride + column * d.stride + row] = static_cast<R>(static_cast<A>(sum));
      }
    }
  }
}

}  // namespace

namespace lf::simt {

void refuse_fused_bias(bool refuse) { refuses_fused_bias = refuse; }
BlasUse blas_use() { return use; }

}  // namespace lf::simt

const char* cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "success";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the functionality requested is not supported";
    default:
      return "the function failed to launch on the GPU";
  }
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (!lf::simt::device_is_set()) return CUBLAS_STATUS_NOT_INITIALIZED;
  static SimulatedBlas the_library;
  *handle = &the_library;
  return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() { return 0; }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
  *layout = new SimulatedLayout{type, rows, cols, ld};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return take(layout->batches, value, bytes);
  return take(layout->batch_stride, value, bytes);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute_type,
                                        cudaDataType_t scale_type) {
  *description = new SimulatedMatmulDesc{compute_type, scale_type};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete description;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(description->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return take(description->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(description->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return take(description->bias, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new SimulatedPreference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return take(preference->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return take(preference->reductions, value, bytes);
    default:
      return take(preference->align[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  *found = 0;
  if (!lf::simt::device_is_set()) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!description || !a || !b || !c || !d || !preference || requested < 1)
    return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t status = check_shapes(*description, *a, *b, *c, *d);
  if (status == CUBLAS_STATUS_SUCCESS) status = check_types(*description, *a, *b, *d);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (preference->workspace < kWorkspace) return CUBLAS_STATUS_SUCCESS;  // and none is found
  Choice choice = choice_for(*description, *a, *d);
  std::copy_n(preference->align, 4, choice.align);
  *results = {};
  std::memcpy(&results->algo, &choice, sizeof(choice));
  results->workspaceSize = kWorkspace;
  *found = 1;
  ++use.choices;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  if (!handle || !lf::simt::device_is_set()) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!algorithm || !stream) return CUBLAS_STATUS_INVALID_VALUE;
  const SimulatedMatmulDesc& p = *description;
  cublasStatus_t status = check_shapes(p, *a_layout, *b_layout, *c_layout, *d_layout);
  if (status == CUBLAS_STATUS_SUCCESS) status = check_types(p, *a_layout, *b_layout, *d_layout);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  Choice chosen;
  std::memcpy(&chosen, algorithm, sizeof(chosen));
  Choice needed = choice_for(p, *a_layout, *d_layout);
  std::copy_n(chosen.align, 4, needed.align);
  if (std::memcmp(&chosen, &needed, sizeof(chosen)) != 0) return CUBLAS_STATUS_INVALID_VALUE;
  const uint64_t bias_count = p.epilogue == CUBLASLT_EPILOGUE_BIAS ? d_layout->rows : d_layout->columns;
  const SimulatedLayout bias{d_layout->type, bias_count, 1, static_cast<int64_t>(bias_count)};
  const bool fused = p.epilogue != CUBLASLT_EPILOGUE_DEFAULT;
  if (!usable(a, *a_layout, chosen.align[0]) || !usable(b, *b_layout, chosen.align[1]) ||
      !usable(c, *c_layout, chosen.align[2]) || !usable(d, *d_layout, chosen.align[3]) ||
      workspace_bytes < chosen.workspace || !lf::simt::on_device(workspace, workspace_bytes) ||
      (fused && !usable(p.bias, bias, static_cast<uint32_t>(bytes_of(bias.type))))) {
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  const lf::simt::DeviceAccess access;
  std::memset(workspace, 0xFF, chosen.workspace);
  const auto run = [&]<class T, class R, class Scale>() {
    multiply(p, *static_cast<const Scale*>(alpha), *static_cast<const Scale*>(beta), *a_layout,
             static_cast<const T*>(a), *b_layout, static_cast<const T*>(b), *c_layout,
             static_cast<const R*>(c), *d_layout, static_cast<R*>(d));
  };
  if (p.compute == CUBLAS_COMPUTE_64F) {
    run.operator()<double, double, double>();
  } else if (a_layout->type == CUDA_R_32F) {
    run.operator()<float, float, float>();
  } else if (d_layout->type == CUDA_R_16BF) {
    run.operator()<bf16, bf16, float>();
  } else {
    run.operator()<bf16, float, float>();
  }
  ++use.products;
  use.fused += fused ? 1 : 0;
  return CUBLAS_STATUS_SUCCESS;
}
