#include "core/kernels/attention/scratch.h"

#include <algorithm>

#include "core/kernels/attention/cpu/dense_memory.h"
#include "core/kernels/attention/cpu/window_backward_memory.h"
#include "core/kernels/attention/cpu/window_forward_memory.h"

namespace lf::kernels::cpu {

int64_t window_scratch(const AttentionPlan& plan, bool relative, DType dtype) {
  return visit_float(dtype, [&]<class T>() -> int64_t {
    using F = Accumulator<T>;
    return scratch_of_threads<F>(forward_numbers<F>(plan, relative));
  });
}

int64_t window_backward_scratch(const AttentionPlan& plan, bool relative, DType dtype) {
  return visit_float(dtype, [&]<class T>() -> int64_t {
    using F = Accumulator<T>;
    return scratch_of_threads<F>(backward_numbers<F>(plan, relative)) +
           partial_numbers<F>(plan, relative) * static_cast<int64_t>(sizeof(F));
  });
}

int64_t dense_scratch(const DenseShape& shape, DType dtype) {
  return visit_float(dtype, [&]<class T>() -> int64_t {
    using F = Accumulator<T>;
    return scratch_of_threads<F>(dense_numbers<DenseForwardBuffers<F>, F>(shape, shape.most_keys()));
  });
}

int64_t dense_backward_scratch(const DenseShape& shape, DType dtype) {
  return visit_float(dtype, [&]<class T>() -> int64_t {
    using F = Accumulator<T>;
    return scratch_of_threads<F>(dense_numbers<DenseBackwardBuffers<F>, F>(shape, kDenseChunk));
  });
}

}  // namespace lf::kernels::cpu
