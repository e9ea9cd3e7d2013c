// The memory of one attention task: where its packed keys and its strip of scores lie. Sizes are for the
// widest vectors (16 floats) whatever the machine has, so that this file needs no SIMD target.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/kernels/attention/plan.h"

namespace lf {

inline constexpr int64_t kAttentionLanes =
    16;  // floats of the widest vector; all paddings are multiples of it
inline constexpr int64_t kAttentionMargin =
    32;  // columns on both sides of the band that edge tiles may touch

inline int64_t round_up(int64_t count, int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Hands out consecutive aligned pieces of a buffer; with a null buffer it only counts.
template <class F>
class Arena {
 public:
  explicit Arena(F* base) : base_(base) {}
  F* take(int64_t count) {
    F* const piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += round_up(count, kAttentionLanes);
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  F* base_;
  int64_t used_ = 0;
};

// Sizes of a task. "Local" key indices count from the task's first key.
struct SegmentSizes {
  SegmentSizes(const AttentionPlan& plan, const AttentionTask& task, bool relative, int64_t most_block_rows)
      : width(round_up(plan.shape().K, kAttentionLanes)),
        key_count(task.key_end() - task.key_begin()),
        keys(round_up(key_count, kAttentionLanes)),
        global_count(static_cast<int64_t>(plan.valid_globals(task.b).size())),
        globals(round_up(global_count, kAttentionLanes)),
        slots(relative ? round_up(task.window(), kAttentionLanes) : 0),
        block_rows(most_block_rows),
        band_origin(globals + kAttentionMargin) {
    const int64_t band =
        std::min(round_up(block_rows + task.window(), kAttentionLanes) + kAttentionLanes, keys);
    stride = band_origin + band + kAttentionMargin;
    // An odd number of cache lines: rows a power of two apart would fall into the same cache sets.
    if (stride / kAttentionLanes % 2 == 0) stride += kAttentionLanes;
  }

  int64_t width;                  // of a row of K numbers
  int64_t key_count;              // in-band keys of the task
  int64_t keys;                   // the same, padded
  int64_t global_count, globals;  // valid global keys, and padded
  int64_t slots;                  // relative: window places, padded; slot s is key i - left + s
  int64_t block_rows;             // queries that share a strip
  // A strip row: the global keys, a margin, the keys of the block's band, a margin.
  int64_t band_origin;
  int64_t stride;
};

// What both passes keep of a task's keys.
template <class F>
struct PackedKeys {
  PackedKeys(const SegmentSizes& sizes, Arena<F>& arena, bool transpose_v)
      : k_panels(arena.take(sizes.keys * sizes.width)),
        global_k_panels(arena.take(sizes.globals * sizes.width)),
        r_panels(arena.take(sizes.slots * sizes.width)),
        k_rows(arena.take(sizes.keys * sizes.width)),
        global_k_rows(arena.take(sizes.globals * sizes.width)),
        r_rows(arena.take(sizes.slots * sizes.width)),
        v_rows(arena.take(sizes.keys * sizes.width)),
        global_v_rows(arena.take(sizes.globals * sizes.width)),
        v_panels(arena.take(transpose_v ? sizes.keys * sizes.width : 0)),
        global_v_panels(arena.take(transpose_v ? sizes.globals * sizes.width : 0)),
        key_bias(arena.take(sizes.keys)),
        transposes_v(transpose_v) {}

  F* k_panels;
  F* global_k_panels;
  F* r_panels;
  F* k_rows;
  F* global_k_rows;
  F* r_rows;
  F* v_rows;
  F* global_v_rows;
  F* v_panels;
  F* global_v_panels;
  F* key_bias;            // 0, or -infinity for keys that are padded or global
  bool has_bias = false;  // whether any key_bias is not 0
  bool transposes_v;      // whether the v panels are wanted
  int64_t packed = 0;     // local keys [0, packed) are in place; blocks ask for more as they go
};

// The tensors of a call that both passes read.
template <class Element>
struct AttentionInputViews {
  TokenView<const Element> q, k, v;
  const RelativePositions<Element>* relative;
};

}  // namespace lf
