// The gradients that all tasks of a head share (global keys, u, v, r): each task sums into its own memory,
// and the sums are added in task order, so that their bits do not depend on which thread ran what.
#pragma once

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/attention/cpu/window_backward_memory.h"

namespace lf {

template <class F>
using AlignedBuffer = hwy::AlignedFreeUniquePtr<F[]>;

// Partial sums of every task, in one buffer.
template <class F>
class PartialSums {
 public:
  PartialSums(const AttentionPlan& plan, bool relative) : plan_(plan), relative_(relative) {
    int64_t used = 0;
    for (const AttentionTask& task : plan.tasks()) {
      offsets_.push_back(used);
      Arena<F> count(nullptr);
      BackwardPartials<F>(sizes(task), count);
      used += count.used();
    }
    memory_ = hwy::AllocateAligned<F>(std::max<int64_t>(used, 1));
  }
  SegmentSizes sizes(const AttentionTask& task) const { return backward_sizes(plan_, task, relative_); }
  F* memory(int64_t task) { return memory_.get() + offsets_[task]; }
  BackwardPartials<F> of(int64_t task) {
    Arena<F> arena(memory(task));
    return BackwardPartials<F>(sizes(plan_.tasks()[task]), arena);
  }

 private:
  const AttentionPlan& plan_;
  bool relative_;
  std::vector<int64_t> offsets_;
  AlignedBuffer<F> memory_;
};

// The gradients of the global keys of one (sequence, head), whose tasks are [begin, end).
template <class Element>
void store_global_gradients(const BackwardCall<Element>& call, PartialSums<Accumulator<Element>>& partials,
                            int64_t begin, int64_t end) {
  using F = Accumulator<Element>;
  if (begin == end) return;  // a sequence without tokens
  const AttentionTask& task = call.plan.tasks()[begin];
  const int64_t K = call.plan.shape().K, width = partials.sizes(task).width;
  const std::vector<int64_t>& globals = call.plan.valid_globals(task.b);
  std::vector<F> dk(K), dv(K);
  for (size_t g = 0; g < globals.size(); ++g) {
    std::fill(dk.begin(), dk.end(), F(0));
    std::fill(dv.begin(), dv.end(), F(0));
    for (int64_t n = begin; n < end; ++n) {
      const BackwardPartials<F> part = partials.of(n);
      for (int64_t c = 0; c < K; ++c) dk[c] += part.global_dk[g * width + c];
      for (int64_t c = 0; c < K; ++c) dv[c] += part.global_dv[g * width + c];
    }
    for (int64_t c = 0; c < K; ++c) {
      call.dk.row(task.base + globals[g], task.h * K)[c] = Element(dk[c] * F(std::log(2.0)));
      call.dv.row(task.base + globals[g], task.h * K)[c] = Element(dv[c]);
    }
  }
}

// du, dv and dr of one head, whose tasks are [begin, end).
template <class Element>
void store_relative_gradients(const BackwardCall<Element>& call, PartialSums<Accumulator<Element>>& partials,
                              const RelativeGradients<Element>& gradients, int64_t begin, int64_t end,
                              int64_t h) {
  using F = Accumulator<Element>;
  const int64_t H = call.plan.shape().H, K = call.plan.shape().K, rows = call.inputs.relative->rows;
  std::vector<F> du(K), dv_bias(K), dr(rows * K);
  for (int64_t n = begin; n < end; ++n) {
    const AttentionTask& task = call.plan.tasks()[n];
    const BackwardPartials<F> part = partials.of(n);
    const int64_t width = partials.sizes(task).width;
    for (int64_t c = 0; c < K; ++c) du[c] += part.du[c];
    for (int64_t c = 0; c < K; ++c) dv_bias[c] += part.dv_bias[c];
    for (int64_t s = 0; s < task.window(); ++s) {
      F* const to = dr.data() + (call.inputs.relative->zero_row + (task.left - s) * task.D) * K;
      for (int64_t c = 0; c < K; ++c) to[c] += part.dr[s * width + c];
    }
  }
  for (int64_t c = 0; c < K; ++c) gradients.du[h * K + c] = du[c] * F(call.plan.call().scale);
  for (int64_t c = 0; c < K; ++c) gradients.dv[h * K + c] = dv_bias[c] * F(call.plan.call().scale);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < K; ++c)
      gradients.dr[(row * H + h) * K + c] = Element(dr[row * K + c] * F(std::log(2.0)));
  }
}

}  // namespace lf
