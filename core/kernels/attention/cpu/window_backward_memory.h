// What a backward task of window attention reads and writes: the call's tensors, its own memory, and its
// share of the gradients that tasks have in common.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/kernels/attention/cpu/segment.h"

namespace lf {

template <class Element>
struct BackwardCall {
  const AttentionPlan& plan;
  AttentionInputViews<Element> inputs;
  TokenView<const Element> context;
  const Accumulator<Element>* lse;  // (H, N)
  TokenView<const Element> dcontext;
  TokenView<Element> dq, dk, dv;
};

// A task's share of the gradients that tasks have in common: sums over its queries, in the units of the
// packed queries (dK, dR: scale * log2(e) is in already) or without scale (du, dv).
template <class F>
struct BackwardPartials {
  BackwardPartials(const SegmentSizes& sizes, Arena<F>& arena)
      : global_dk(arena.take(sizes.globals * sizes.width)),
        global_dv(arena.take(sizes.globals * sizes.width)),
        du(arena.take(sizes.slots > 0 ? sizes.width : 0)),
        dv_bias(arena.take(sizes.slots > 0 ? sizes.width : 0)),
        dr(arena.take(sizes.slots * sizes.width)) {}

  F* global_dk;
  F* global_dv;
  F* du;
  F* dv_bias;
  F* dr;
};

// The memory of one backward task.
template <class F>
struct BackwardBuffers {
  BackwardBuffers(const SegmentSizes& sizes, Arena<F>& arena)
      : keys(sizes, arena, true),
        dk(arena.take(sizes.keys * sizes.width)),
        dv(arena.take(sizes.keys * sizes.width)),
        content(arena.take(sizes.block_rows * sizes.width)),
        position(arena.take(sizes.slots > 0 ? sizes.block_rows * sizes.width : 0)),
        dcontext(arena.take(sizes.block_rows * sizes.width)),
        dq_content(arena.take(sizes.block_rows * sizes.width)),
        dq_position(arena.take(sizes.slots > 0 ? sizes.block_rows * sizes.width : 0)),
        strip(arena.take(sizes.block_rows * sizes.stride)),
        gradient(arena.take(sizes.block_rows * sizes.stride)),
        keep(arena.take(sizes.stride)),
        lse(arena.take(sizes.block_rows)),
        delta(arena.take(sizes.block_rows)) {}

  PackedKeys<F> keys;
  F* dk;
  F* dv;
  F* content;
  F* position;
  F* dcontext;
  F* dq_content;
  F* dq_position;
  F* strip;     // scores, then P
  F* gradient;  // dP, then dS
  F* keep;
  F* lse;    // in units of log2
  F* delta;  // rowsum(dO * O)
};

// Two strips of this many rows stay within a part of the second-level cache, but for very wide windows.
inline int64_t backward_block_rows(const AttentionTask& task) {
  constexpr int64_t kStripNumbers = 64 * 1024;
  return std::clamp<int64_t>(kStripNumbers / (task.window() + 2 * kAttentionMargin) / 8 * 8, 8, 64);
}

inline SegmentSizes backward_sizes(const AttentionPlan& plan, const AttentionTask& task, bool relative) {
  return SegmentSizes(plan, task, relative, backward_block_rows(task));
}

// Numbers that a task may need for itself, and that all tasks' shares need together.
template <class F>
int64_t backward_numbers(const AttentionPlan& plan, bool relative) {
  int64_t most = 0;
  for (const AttentionTask& task : plan.tasks()) {
    Arena<F> count(nullptr);
    BackwardBuffers<F>(backward_sizes(plan, task, relative), count);
    most = std::max(most, count.used());
  }
  return most;
}
template <class F>
int64_t partial_numbers(const AttentionPlan& plan, bool relative) {
  int64_t all = 0;
  for (const AttentionTask& task : plan.tasks()) {
    Arena<F> count(nullptr);
    BackwardPartials<F>(backward_sizes(plan, task, relative), count);
    all += count.used();
  }
  return all;
}

}  // namespace lf
