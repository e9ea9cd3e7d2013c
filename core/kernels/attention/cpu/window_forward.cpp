// Window attention, forward. A task walks its queries in blocks; a tile of queries has its whole row of
// scores in a strip that stays in cache, so the softmax is exact in two passes: scores = Q K^T (+ Q R^T),
// exponentials, context = P V.
#include "core/kernels/simd_targets.h"

#include <hwy/aligned_allocator.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/attention/cpu/window_forward_memory.h"
#include "core/kernels/attention/scratch.h"
#include "core/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/attention/cpu/window_forward.cpp"
#include <hwy/foreach_target.h>

#include "core/kernels/attention/cpu/scores-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

template <class F>
struct RowSum {
  F maximum, sum;
};

// Softmax of one strip row in place, up to the division by the returned sum.
template <class F>
HWY_NOINLINE RowSum<F> softmax_row(const SegmentSizes& sizes, const Tile& tile, F* row) {
  const int64_t count = tile.end - tile.begin;
  F maximum = row_maximum(row, sizes.globals, -std::numeric_limits<F>::infinity());
  maximum = row_maximum(row + tile.begin, count, maximum);
  if (maximum == -std::numeric_limits<F>::infinity()) maximum = 0;  // no key at all: every exponential is 0
  const F global_sum = exponentiate(row, sizes.globals, maximum);
  return {maximum, global_sum + exponentiate(row + tile.begin, count, maximum)};
}

// sums (kTileRows, width) = P V of one tile.
template <class F>
HWY_NOINLINE void tile_context(const SegmentSizes& sizes, const PackedKeys<F>& keys, const Tile& tile,
                               const F* strip, F* sums) {
  const int64_t lanes = lanes_of<F>(), width = sizes.width;
  const F* const rows = strip + tile.row * sizes.stride;
  const GemmC<F> out{sums + tile.row * width, width};
  gemm_row_of_tiles<false>(GemmA<F>{rows + tile.origin + tile.first_key, sizes.stride, 1},
                           GemmB<F>{keys.v_rows + tile.first_key * width, width, lanes}, out,
                           tile.last_key - tile.first_key, width / lanes);
  if (sizes.globals > 0) {
    gemm_row_of_tiles<true>(GemmA<F>{rows, sizes.stride, 1}, GemmB<F>{keys.global_v_rows, width, lanes}, out,
                            sizes.global_count, width / lanes);
  }
}

template <class Element>
HWY_INLINE void store_context(const ForwardCall<Element>& call, const AttentionTask& task, int64_t query,
                              RowSum<Accumulator<Element>> sum, const Accumulator<Element>* sums) {
  using F = Accumulator<Element>;
  const AttentionShape& shape = call.plan.shape();
  const bool seen = call.plan.is_query(task, query) && sum.sum != 0;  // NaN is seen
  Element* const to = call.context.row(task.row(query), task.h * shape.K);
  F* const lse = call.lse + task.h * shape.N + task.row(query);
  if (!seen) {
    std::fill(to, to + shape.K, Element(0.0f));
    *lse = -std::numeric_limits<F>::infinity();
    return;
  }
  store_row(sums, F(1) / sum.sum, to, shape.K);
  *lse = sum.maximum * static_cast<F>(kLn2) + std::log(sum.sum);
}

template <class Element>
HWY_INLINE void forward_block(const ForwardCall<Element>& call, const AttentionTask& task,
                              const SegmentSizes& sizes, ForwardBuffers<Accumulator<Element>>& buffers,
                              int64_t block_query) {
  using F = Accumulator<Element>;
  const int64_t K = call.plan.shape().K, rows = std::min(sizes.block_rows, task.end - block_query);
  const PackedQueries<F> queries{buffers.content, buffers.position};
  pack_keys_until(call.plan, task, sizes, call.inputs, block_query + rows, rows, buffers.keys);
  pack_queries(call.plan, task, sizes, call.inputs, block_query, rows, queries);
  prefetch_tokens(call.inputs.q, task, K, block_query + rows, block_query + 2 * rows);
  prefetch_tokens(call.context, task, K, block_query, block_query + rows);
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const Tile tile(task, sizes, block_query, row, lanes_of<F>());
    tile_scores(sizes, buffers.keys, tile, K, queries, buffers.strip);
    RowSum<F> sums[kTileRows];
    for (int64_t r = 0; r < kTileRows; ++r) {
      F* const strip_row = buffers.strip + (row + r) * sizes.stride;
      sums[r] = softmax_row(sizes, tile, strip_row);
      if (call.plan.call().dropout.active()) {
        row_keep_factors(call.plan, task, sizes, tile, r, buffers.keep);
        multiply(strip_row, buffers.keep, sizes.globals);
        multiply(strip_row + tile.begin, buffers.keep + tile.begin, tile.end - tile.begin);
      }
    }
    tile_context(sizes, buffers.keys, tile, buffers.strip, buffers.sums);
    for (int64_t r = 0; r < std::min(kTileRows, rows - row); ++r) {
      store_context(call, task, tile.query + r, sums[r], buffers.sums + (row + r) * sizes.width);
    }
  }
}

template <class Element>
HWY_INLINE void forward_task(const ForwardCall<Element>& call, const AttentionTask& task,
                             Accumulator<Element>* memory) {
  using F = Accumulator<Element>;
  const SegmentSizes sizes(call.plan, task, call.inputs.relative != nullptr, kForwardBlockRows);
  Arena<F> arena(memory);
  ForwardBuffers<F> buffers(sizes, arena);
  pack_shared_keys(call.plan, task, sizes, call.inputs, buffers.keys);
  for (int64_t query = task.begin; query < task.end; query += sizes.block_rows) {
    forward_block(call, task, sizes, buffers, query);
  }
}

void forward_task_f32(const ForwardCall<float>& call, const AttentionTask& task, float* memory) {
  forward_task(call, task, memory);
}
#if HWY_TARGET == HWY_STATIC_TARGET  // f64 is for checks
void forward_task_f64(const ForwardCall<double>& call, const AttentionTask& task, double* memory) {
  forward_task(call, task, memory);
}
#endif
void forward_task_bf16(const ForwardCall<bf16>& call, const AttentionTask& task, float* memory) {
  forward_task(call, task, memory);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
namespace {

HWY_EXPORT(forward_task_f32);
HWY_EXPORT(forward_task_bf16);

void run_task(const ForwardCall<float>& call, const AttentionTask& task, float* memory) {
  HWY_DYNAMIC_DISPATCH(forward_task_f32)(call, task, memory);
}
void run_task(const ForwardCall<double>& call, const AttentionTask& task, double* memory) {
  HWY_STATIC_DISPATCH(forward_task_f64)(call, task, memory);
}
void run_task(const ForwardCall<bf16>& call, const AttentionTask& task, float* memory) {
  HWY_DYNAMIC_DISPATCH(forward_task_bf16)(call, task, memory);
}

template <class Element>
void run_tasks(const ForwardCall<Element>& call) {
  using F = Accumulator<Element>;
  const int64_t most = forward_numbers<F>(call.plan, call.inputs.relative != nullptr);
  const ScratchCount counted(scratch_of_threads<F>(most));
  std::vector<hwy::AlignedFreeUniquePtr<F[]>> memory(omp_get_max_threads());
  for (auto& piece : memory) piece = hwy::AllocateAligned<F>(most);
  std::vector<int64_t> order = call.plan.even_tasks();
  order.insert(order.end(), call.plan.odd_tasks().begin(), call.plan.odd_tasks().end());
#pragma omp parallel for schedule(dynamic)
  for (size_t n = 0; n < order.size(); ++n) {
    run_task(call, call.plan.tasks()[order[n]], memory[omp_get_thread_num()].get());
  }
}

}  // namespace

void kernels::cpu::window_attention(const AttentionCall& call, const TokenTensors& qkv,
                                    const RelativeTensors& relative, Tensor& context, Tensor& lse) {
  const int64_t H = context.dim(1), K = context.dim(2);
  const AttentionPlan plan(call, H, K);
  visit_float(context.dtype(), [&]<class T>() {
    const RelativePositions<T> terms = relative_positions<T>(relative);
    const auto [q, k, v] = token_views<const T>(qkv, H, K);
    run_tasks(ForwardCall<T>{plan,
                             {q, k, v, terms.r == nullptr ? nullptr : &terms},
                             token_view<T>(context, H * K),
                             lse.data<Accumulator<T>>()});
  });
}

}  // namespace lf
#endif
