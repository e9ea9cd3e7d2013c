// Packing a task's keys, and the scores of one tile of queries against them; for one SIMD target.
// Scores are in units of log2: the queries are multiplied by scale * log2(e) when they are packed.
#if defined(LF_WINDOW_ATTENTION_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LF_WINDOW_ATTENTION_SCORES_INL_H_
#undef LF_WINDOW_ATTENTION_SCORES_INL_H_
#else
#define LF_WINDOW_ATTENTION_SCORES_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/kernels/attention/cpu/dropout-inl.h"
#include "core/kernels/attention/cpu/packing-inl.h"
#include "core/kernels/attention/cpu/segment.h"
#include "core/kernels/attention/cpu/softmax-inl.h"
#include "core/kernels/small_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int64_t kPrefetchRows = 16;  // far enough ahead to hide the latency of memory

// Prefetches tokens [begin, end) of the task's sequence, as far as they exist.
template <class Element>
HWY_INLINE void prefetch_tokens(TokenView<Element> view, const AttentionTask& task, int64_t K, int64_t begin,
                                int64_t end) {
  for (int64_t i = begin; i < std::min(end, task.length); ++i) {
    prefetch_row(view.row(task.row(i), task.h * K), K);
  }
}

// Local keys [begin, end), those beyond the task's as zeros.
template <class Element, class F>
HWY_NOINLINE void pack_rows(TokenView<const Element> view, const AttentionTask& task,
                            const SegmentSizes& sizes, int64_t K, int64_t begin, int64_t end, F* rows) {
  const int64_t real = std::min(end, sizes.key_count);
  for (int64_t n = begin; n < real; ++n) {
    const int64_t key = task.key_begin() + n;
    prefetch_tokens(view, task, K, key + kPrefetchRows, key + kPrefetchRows + 1);
    load_row(view.row(task.row(key), task.h * K), rows + n * sizes.width, K, sizes.width);
  }
  clear(rows + std::max(begin, real) * sizes.width, (end - std::max(begin, real)) * sizes.width);
}

template <class Element, class F>
HWY_NOINLINE void pack_globals(TokenView<const Element> view, const AttentionPlan& plan,
                               const AttentionTask& task, const SegmentSizes& sizes, F* rows) {
  const int64_t K = plan.shape().K;
  for (int64_t n = 0; n < sizes.global_count; ++n) {
    load_row(view.row(task.base + plan.valid_globals(task.b)[n], task.h * K), rows + n * sizes.width, K,
             sizes.width);
  }
  clear(rows + sizes.global_count * sizes.width, (sizes.globals - sizes.global_count) * sizes.width);
}

// Row s of the block is r at the distance of slot s.
template <class Element, class F>
HWY_INLINE void pack_relative(const RelativePositions<Element>& relative, const AttentionTask& task,
                              const SegmentSizes& sizes, int64_t H, int64_t K, F* rows) {
  for (int64_t s = 0; s < task.window(); ++s) {
    const int64_t row = relative.zero_row + (task.left - s) * task.D;
    load_row(relative.r + (row * H + task.h) * K, rows + s * sizes.width, K, sizes.width);
  }
  clear(rows + task.window() * sizes.width, (sizes.slots - task.window()) * sizes.width);
}

// Packs what does not belong to one block: global keys and relative positions.
template <class Element, class F>
HWY_INLINE void pack_shared_keys(const AttentionPlan& plan, const AttentionTask& task,
                                 const SegmentSizes& sizes, const AttentionInputViews<Element>& inputs,
                                 const PackedKeys<F>& keys) {
  const int64_t K = plan.shape().K;
  if (sizes.globals > 0) {
    pack_globals(inputs.k, plan, task, sizes, keys.global_k_rows);
    transpose_rows(keys.global_k_rows, keys.global_k_panels, sizes.globals, K, sizes.width);
    pack_globals(inputs.v, plan, task, sizes, keys.global_v_rows);
    if (keys.transposes_v) {
      transpose_rows(keys.global_v_rows, keys.global_v_panels, sizes.globals, K, sizes.width);
    }
  }
  if (sizes.slots > 0) {
    pack_relative(*inputs.relative, task, sizes, plan.shape().H, K, keys.r_rows);
    transpose_rows(keys.r_rows, keys.r_panels, sizes.slots, K, sizes.width);
  }
}

// Packs the keys that the queries [.., query_end) see and that are not packed yet, and asks for those of the
// next block of `rows` queries: they arrive while this block is computed.
template <class Element, class F>
HWY_INLINE void pack_keys_until(const AttentionPlan& plan, const AttentionTask& task,
                                const SegmentSizes& sizes, const AttentionInputViews<Element>& inputs,
                                int64_t query_end, int64_t rows, PackedKeys<F>& keys) {
  const int64_t K = plan.shape().K, begin = keys.packed, first = task.key_begin();
  const int64_t end = std::min(round_up(query_end + task.right - first, kAttentionLanes), sizes.keys);
  if (end <= begin) return;
  pack_rows(inputs.k, task, sizes, K, begin, end, keys.k_rows);
  transpose_rows(keys.k_rows + begin * sizes.width, keys.k_panels + begin * K, end - begin, K, sizes.width);
  pack_rows(inputs.v, task, sizes, K, begin, end, keys.v_rows);
  if (keys.transposes_v) {
    transpose_rows(keys.v_rows + begin * sizes.width, keys.v_panels + begin * K, end - begin, K, sizes.width);
  }
  for (int64_t n = begin; n < end; ++n) {
    const bool seen = n >= sizes.key_count || plan.kind(task.row(first + n)) == TokenKind::local;
    keys.key_bias[n] = seen ? F(0) : -std::numeric_limits<F>::infinity();
    keys.has_bias |= !seen;
  }
  keys.packed = end;
  const int64_t ahead = first + end + std::max(rows, kAttentionLanes);
  prefetch_tokens(inputs.k, task, K, first + end, ahead);
  prefetch_tokens(inputs.v, task, K, first + end, ahead);
}

// One tile of kTileRows queries: where its keys lie. Rows at or beyond the task's end are padding.
struct Tile {
  Tile(const AttentionTask& task, const SegmentSizes& sizes, int64_t block_query, int64_t first_row,
       int64_t lanes)
      : row(first_row),
        query(block_query + first_row),
        left(task.left),
        right(task.right),
        length(task.length),
        key_begin(task.key_begin()) {
    const int64_t last = std::min(query + kTileRows, task.end) - 1;
    first_key = std::max<int64_t>(0, query - left) - key_begin;
    last_key = std::min(length, last + right + 1) - key_begin;
    const int64_t block_key = std::max<int64_t>(0, block_query - left) - key_begin;
    // Column of local key n is origin + n.
    origin = sizes.band_origin - block_key / kAttentionLanes * kAttentionLanes;
    begin = origin + first_key / lanes * lanes;
    end = origin + round_up(last_key, lanes);
  }

  // Columns [visible_begin, visible_end) of row r are its band.
  int64_t visible_begin(int64_t r) const {
    return origin + std::max<int64_t>(0, query + r - left) - key_begin;
  }
  int64_t visible_end(int64_t r) const {
    return origin + std::min(length, query + r + right + 1) - key_begin;
  }
  // The column of slot s for row r.
  int64_t slot_column(int64_t r, int64_t s) const { return origin + query + r - left + s - key_begin; }
  // Slots that some row of the tile can use.
  int64_t first_slot() const { return std::max<int64_t>(0, left - (query + kTileRows - 1)); }
  int64_t last_slot() const { return std::min(left + right + 1, length - query + left); }

  int64_t row;    // first row within the block
  int64_t query;  // its index in the sequence
  int64_t left, right, length, key_begin;
  int64_t first_key, last_key;  // local keys [first_key, last_key) that any row sees
  int64_t origin;
  int64_t begin, end;  // the strip's columns of these keys, rounded to whole vectors
};

// The queries of a block, scaled and biased: (block_rows, width) each. position is null without relative
// positions.
template <class F>
struct PackedQueries {
  F* content;
  F* position;
};

template <class Element, class F>
HWY_INLINE void pack_queries(const AttentionPlan& plan, const AttentionTask& task, const SegmentSizes& sizes,
                             const AttentionInputViews<Element>& inputs, int64_t block_query, int64_t rows,
                             const PackedQueries<F>& queries) {
  const int64_t K = plan.shape().K, head = task.h * K;
  const F factor = static_cast<F>(plan.call().scale * kLog2E);
  const F* const u = inputs.relative == nullptr ? nullptr : inputs.relative->u + head;
  for (int64_t row = 0; row < rows; ++row) {
    const Element* const q = inputs.q.row(task.row(block_query + row), head);
    load_row_biased(q, u, factor, queries.content + row * sizes.width, K, sizes.width);
    if (u != nullptr) {
      load_row_biased(q, inputs.relative->v + head, factor, queries.position + row * sizes.width, K,
                      sizes.width);
    }
  }
  const int64_t padding = (round_up(rows, kTileRows) - rows) * sizes.width;
  clear(queries.content + rows * sizes.width, padding);
  if (u != nullptr) clear(queries.position + rows * sizes.width, padding);
}

// Scores of one tile into its strip rows, hidden (-infinity) where a row does not see a key.
template <class F>
HWY_NOINLINE void tile_scores(const SegmentSizes& sizes, const PackedKeys<F>& keys, const Tile& tile,
                              int64_t K, const PackedQueries<F>& queries, F* strip) {
  const int64_t lanes = lanes_of<F>(), width = sizes.width;
  F* const rows = strip + tile.row * sizes.stride;
  const GemmA<F> content{queries.content + tile.row * width, width, 1};
  gemm_row_of_tiles<false>(content,
                           GemmB<F>{keys.k_panels + (tile.begin - tile.origin) * K, lanes, lanes * K},
                           GemmC<F>{rows + tile.begin, sizes.stride}, K, (tile.end - tile.begin) / lanes);
  if (sizes.globals > 0) {
    gemm_row_of_tiles<false>(content, GemmB<F>{keys.global_k_panels, lanes, lanes * K},
                             GemmC<F>{rows, sizes.stride}, K, sizes.globals / lanes);
  }
  if (sizes.slots > 0) {
    // Row i + 1 sees slot s one key further than row i: a row stride one longer than the strip's does the
    // shift.
    const int64_t first = tile.first_slot() / lanes * lanes;
    gemm_row_of_tiles<true>(GemmA<F>{queries.position + tile.row * width, width, 1},
                            GemmB<F>{keys.r_panels + first * K, lanes, lanes * K},
                            GemmC<F>{rows + tile.slot_column(0, first), sizes.stride + 1}, K,
                            (round_up(tile.last_slot(), lanes) - first) / lanes);
  }
  for (int64_t r = 0; r < kTileRows; ++r) {
    F* const row = rows + r * sizes.stride;
    if (keys.has_bias)
      add_bias(row + tile.begin, keys.key_bias + tile.begin - tile.origin, tile.end - tile.begin);
    hide_edges(row, tile.begin, tile.end, tile.visible_begin(r), tile.visible_end(r));
    hide_edges(row, int64_t{0}, sizes.globals, int64_t{0}, sizes.global_count);
  }
}

// The dropout factors of row r of the tile, in the strip's columns.
template <class F>
HWY_NOINLINE void row_keep_factors(const AttentionPlan& plan, const AttentionTask& task,
                                   const SegmentSizes& sizes, const Tile& tile, int64_t r, F* keep) {
  const Dropout& dropout = plan.call().dropout;
  const uint64_t row = plan.dropout_row(task.b, task.h, task.token(tile.query + r));
  const int64_t key = tile.key_begin + tile.begin - tile.origin;
  keep_factors(dropout, row + static_cast<uint64_t>(task.token(key)), task.D, tile.end - tile.begin,
               keep + tile.begin);
  for (int64_t n = 0; n < sizes.global_count; ++n) {
    keep_factors(dropout, row + static_cast<uint64_t>(plan.global_elements(task.b)[n]), 1, 1, keep + n);
  }
  clear(keep + sizes.global_count, sizes.globals - sizes.global_count);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#endif  // LF_WINDOW_ATTENTION_SCORES_INL_H_
