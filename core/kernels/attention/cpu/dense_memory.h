// What a task of dense attention reads and writes: the call's tensors and its own memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/kernels/attention/cpu/segment.h"
#include "core/kernels/attention/dense.h"

namespace lf {

inline constexpr int64_t kDenseForwardRows = 8;    // queries whose scores with all keys are kept at once
inline constexpr int64_t kDenseBackwardRows = 32;  // queries over which dK and dV are summed at once
inline constexpr int64_t kDenseChunk = 512;        // keys of a backward chunk

template <class Element>
struct DenseForwardViews {
  const DenseShape& shape;
  TokenView<const Element> q, k, v;
  TokenView<Element> context;
  Accumulator<Element>* lse;  // (M, H)
};

template <class Element>
struct DenseBackwardViews {
  const DenseShape& shape;
  TokenView<const Element> q, k, v, context;
  const Accumulator<Element>* lse;
  TokenView<const Element> dcontext;
  TokenView<Element> dq, dk, dv;
};

struct DenseSizes {
  DenseSizes(const DenseShape& shape, int64_t b, int64_t most_keys)
      : width(round_up(shape.K, kAttentionLanes)),
        keys(round_up(std::min(shape.keys(b), most_keys), kAttentionLanes)),
        first(shape.call.query_offsets[b]),
        count(shape.queries(b)),
        rows(round_up(count, kDenseBackwardRows)),
        stride(keys + (keys / kAttentionLanes % 2 == 0 ? kAttentionLanes : 0)) {}

  int64_t width;         // of a row of K numbers
  int64_t keys;          // packed at once, padded
  int64_t first, count;  // the sequence's queries
  int64_t rows;          // the same, padded
  int64_t stride;        // of a row of scores
};

// Packed keys and values; key_bias is 0, or -infinity for keys that are padded or beyond the sequence.
template <class F>
struct DenseKeys {
  DenseKeys(const DenseSizes& sizes, Arena<F>& arena)
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
struct DenseForwardBuffers {
  DenseForwardBuffers(const DenseSizes& sizes, Arena<F>& arena)
      : keys(sizes, arena),
        q(arena.take(kDenseForwardRows * sizes.width)),
        sums(arena.take(kDenseForwardRows * sizes.width)),
        strip(arena.take(kDenseForwardRows * sizes.stride)),
        keep(arena.take(sizes.keys)) {}
  DenseKeys<F> keys;
  F* q;
  F* sums;
  F* strip;
  F* keep;
};

template <class F>
struct DenseBackwardBuffers {
  DenseBackwardBuffers(const DenseSizes& sizes, Arena<F>& arena)
      : keys(sizes, arena),
        v_panels(arena.take(sizes.keys * sizes.width)),
        dk(arena.take(sizes.keys * sizes.width)),
        dv(arena.take(sizes.keys * sizes.width)),
        strip(arena.take(kDenseBackwardRows * sizes.stride)),
        gradient(arena.take(kDenseBackwardRows * sizes.stride)),
        keep(arena.take(sizes.keys)),
        q(arena.take(sizes.rows * sizes.width)),
        dcontext(arena.take(sizes.rows * sizes.width)),
        dq(arena.take(sizes.rows * sizes.width)),
        lse(arena.take(sizes.rows)),
        delta(arena.take(sizes.rows)) {}
  DenseKeys<F> keys;
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

// Numbers that a task may need for itself; at most so many keys are packed at once.
template <class Buffers, class F>
int64_t dense_numbers(const DenseShape& shape, int64_t most_keys) {
  int64_t most = 1;
  for (int64_t b = 0; b < shape.B; ++b) {
    Arena<F> count(nullptr);
    Buffers(DenseSizes(shape, b, most_keys), count);
    most = std::max(most, count.used());
  }
  return most;
}

}  // namespace lf
