// Bytes that attention has for itself on the CPU while it runs.
#pragma once

#include <omp.h>

#include <cstdint>

#include "core/dtype.h"
#include "core/kernels/attention/dense.h"
#include "core/kernels/attention/plan.h"

namespace lf {

// Every thread has memory for the largest task.
template <class F>
int64_t scratch_of_threads(int64_t numbers) {
  return omp_get_max_threads() * numbers * static_cast<int64_t>(sizeof(F));
}

namespace kernels::cpu {

int64_t window_scratch(const AttentionPlan& plan, bool relative, DType dtype);
int64_t window_backward_scratch(const AttentionPlan& plan, bool relative, DType dtype);
int64_t dense_scratch(const DenseShape& shape, DType dtype);
int64_t dense_backward_scratch(const DenseShape& shape, DType dtype);

}  // namespace kernels::cpu
}  // namespace lf
