// What a forward task of window attention reads and writes: the call's tensors and its own memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/kernels/attention/cpu/segment.h"

namespace lf {

template <class Element>
struct ForwardCall {
  const AttentionPlan& plan;
  AttentionInputViews<Element> inputs;
  TokenView<Element> context;
  Accumulator<Element>* lse;  // (H, N)
};

// The memory of one forward task.
template <class F>
struct ForwardBuffers {
  ForwardBuffers(const SegmentSizes& sizes, Arena<F>& arena)
      : keys(sizes, arena, false),
        content(arena.take(sizes.block_rows * sizes.width)),
        position(arena.take(sizes.slots > 0 ? sizes.block_rows * sizes.width : 0)),
        strip(arena.take(sizes.block_rows * sizes.stride)),
        sums(arena.take(sizes.block_rows * sizes.width)),
        keep(arena.take(sizes.stride)) {}

  PackedKeys<F> keys;
  F* content;
  F* position;
  F* strip;
  F* sums;
  F* keep;
};

inline constexpr int64_t kForwardBlockRows = 8;

// Numbers that a task may need for itself.
template <class F>
int64_t forward_numbers(const AttentionPlan& plan, bool relative) {
  int64_t most = 0;
  for (const AttentionTask& task : plan.tasks()) {
    Arena<F> count(nullptr);
    ForwardBuffers<F>(SegmentSizes(plan, task, relative, kForwardBlockRows), count);
    most = std::max(most, count.used());
  }
  return most;
}

}  // namespace lf
