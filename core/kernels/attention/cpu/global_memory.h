// What a task of global attention reads and writes: the call's tensors and its own memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/kernels/attention/cpu/segment.h"

namespace lf {

inline constexpr int64_t kGlobalForwardRows = 8;    // queries whose scores with all keys are kept at once
inline constexpr int64_t kGlobalBackwardRows = 32;  // queries over which dK and dV are summed at once
inline constexpr int64_t kGlobalChunk = 512;        // keys of a backward chunk

template <class Element>
struct GlobalForwardCall {
  const AttentionPlan& plan;
  const Element* q;  // (N, H, K)
  TokenView<const Element> k, v;
  TokenView<Element> context;
  Accumulator<Element>* lse;  // (N, H)
};

template <class Element>
struct GlobalBackwardCall {
  const AttentionPlan& plan;
  const Element* q;
  TokenView<const Element> k, v, context;
  const Accumulator<Element>* lse;
  TokenView<const Element> dcontext;
  Element* dq;  // (N, H, K)
  TokenView<Element> dk, dv;
};

struct GlobalSizes {
  GlobalSizes(const WindowAttentionShape& shape, int64_t b, int64_t most_keys)
      : width(round_up(shape.K, kAttentionLanes)),
        keys(round_up(std::min(shape.T, most_keys), kAttentionLanes)),
        first(shape.global_offsets[b]),
        count(shape.global_offsets[b + 1] - first),
        rows(round_up(count, kGlobalBackwardRows)),
        stride(keys + (keys / kAttentionLanes % 2 == 0 ? kAttentionLanes : 0)) {}

  int64_t width;         // of a row of K numbers
  int64_t keys;          // packed at once, padded
  int64_t first, count;  // the batch row's global tokens
  int64_t rows;          // the same, padded
  int64_t stride;        // of a row of scores
};

// Packed keys and values; key_bias is 0, or -infinity for keys that are padded or beyond T.
template <class F>
struct GlobalKeys {
  GlobalKeys(const GlobalSizes& sizes, Arena<F>& arena)
      : k_rows(arena.take(sizes.keys * sizes.width)),
        k_panels(arena.take(sizes.keys * sizes.width)),
        v_rows(arena.take(sizes.keys * sizes.width)),
        key_bias(arena.take(sizes.keys)) {}
  F* k_rows;
  F* k_panels;
  F* v_rows;
  F* key_bias;
};

template <class F>
struct GlobalForwardBuffers {
  GlobalForwardBuffers(const GlobalSizes& sizes, Arena<F>& arena)
      : keys(sizes, arena),
        q(arena.take(kGlobalForwardRows * sizes.width)),
        sums(arena.take(kGlobalForwardRows * sizes.width)),
        strip(arena.take(kGlobalForwardRows * sizes.stride)),
        keep(arena.take(sizes.keys)) {}
  GlobalKeys<F> keys;
  F* q;
  F* sums;
  F* strip;
  F* keep;
};

template <class F>
struct GlobalBackwardBuffers {
  GlobalBackwardBuffers(const GlobalSizes& sizes, Arena<F>& arena)
      : keys(sizes, arena),
        v_panels(arena.take(sizes.keys * sizes.width)),
        dk(arena.take(sizes.keys * sizes.width)),
        dv(arena.take(sizes.keys * sizes.width)),
        strip(arena.take(kGlobalBackwardRows * sizes.stride)),
        gradient(arena.take(kGlobalBackwardRows * sizes.stride)),
        keep(arena.take(sizes.keys)),
        q(arena.take(sizes.rows * sizes.width)),
        dcontext(arena.take(sizes.rows * sizes.width)),
        dq(arena.take(sizes.rows * sizes.width)),
        lse(arena.take(sizes.rows)),
        delta(arena.take(sizes.rows)) {}
  GlobalKeys<F> keys;
  F* v_panels;
  F* dk;
  F* dv;
  F* strip;     // scores, then P
  F* gradient;  // dP, then dS
  F* keep;
  F* q;
  F* dcontext;
  F* dq;
  F* lse;  // in units of log2; infinity for rows without gradient
  F* delta;
};

}  // namespace lf
