// Window attention, backward. Scores are computed again and become P through lse; then, block of queries by
// block,
//   dP = dO V^T,  dS = P * (dP * keep - rowsum(dO * O)),  dV += (P * keep)^T dO,  dQ = dS K (+ sheared dS R),
//   dK += dS^T (Q + u),  dR += sheared dS^T (Q + v).
// A task adds to dK and dV of its own keys, tasks that share keys run one after the other (even ones, then
// odd ones), and what all tasks share (global keys, u, v, r) goes into partial sums that are added in task
// order.
#include "core/kernels/simd_targets.h"

#include <hwy/aligned_allocator.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/kernels/attention/cpu/window_backward_memory.h"
#include "core/kernels/attention/cpu/window_partials.h"
#include "core/kernels/attention/scratch.h"
#include "core/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/attention/cpu/window_backward.cpp"
#include <hwy/foreach_target.h>

#include "core/kernels/attention/cpu/scores-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

// dcontext, lse and delta of a block; rows that are no queries get zero gradients and, by lse = infinity,
// zero P. Returns whether the block has any query.
template <class Element>
HWY_INLINE bool pack_gradients(const BackwardCall<Element>& call, const AttentionTask& task,
                               const SegmentSizes& sizes,
                               const BackwardBuffers<Accumulator<Element>>& buffers, int64_t block_query,
                               int64_t rows) {
  using F = Accumulator<Element>;
  const int64_t K = call.plan.shape().K, head = task.h * K;
  const F* const lse_of_head = call.lse + task.h * call.plan.shape().N;
  bool any = false;
  for (int64_t row = 0; row < round_up(rows, kTileRows); ++row) {
    F* const to = buffers.dcontext + row * sizes.width;
    buffers.lse[row] = std::numeric_limits<F>::infinity();
    buffers.delta[row] = 0;
    const int64_t n = row < rows ? task.row(block_query + row) : 0;
    const F lse = row < rows ? lse_of_head[n] : F(0);
    if (row >= rows || !call.plan.is_query(task, block_query + row) || std::isinf(lse)) {
      clear(to, sizes.width);
      continue;
    }
    any = true;
    load_row(call.dcontext.row(n, head), to, K, sizes.width);
    const Element* const context = call.context.row(n, head);
    F delta = 0;
    for (int64_t c = 0; c < K; ++c) delta += to[c] * static_cast<F>(context[c]);
    buffers.delta[row] = delta;
    buffers.lse[row] = lse * static_cast<F>(kLog2E);
  }
  return any;
}

// P (times keep) and dS of one tile.
template <class Element>
HWY_INLINE void tile_gradients(const BackwardCall<Element>& call, const AttentionTask& task,
                               const SegmentSizes& sizes,
                               const BackwardBuffers<Accumulator<Element>>& buffers, const Tile& tile) {
  using F = Accumulator<Element>;
  const int64_t K = call.plan.shape().K, lanes = lanes_of<F>(), count = tile.end - tile.begin;
  const Dropout& dropout = call.plan.call().dropout;
  F* const scores = buffers.strip + tile.row * sizes.stride;
  F* const gradient = buffers.gradient + tile.row * sizes.stride;
  tile_scores(sizes, buffers.keys, tile, K, PackedQueries<F>{buffers.content, buffers.position},
              buffers.strip);
  const GemmA<F> dcontext{buffers.dcontext + tile.row * sizes.width, sizes.width, 1};
  gemm_row_of_tiles<false>(dcontext,
                           GemmB<F>{buffers.keys.v_panels + (tile.begin - tile.origin) * K, lanes, lanes * K},
                           GemmC<F>{gradient + tile.begin, sizes.stride}, K, count / lanes);
  if (sizes.globals > 0) {
    gemm_row_of_tiles<false>(dcontext, GemmB<F>{buffers.keys.global_v_panels, lanes, lanes * K},
                             GemmC<F>{gradient, sizes.stride}, K, sizes.globals / lanes);
  }
  for (int64_t r = 0; r < kTileRows; ++r) {
    F* const score_row = scores + r * sizes.stride;
    F* const gradient_row = gradient + r * sizes.stride;
    const F lse = buffers.lse[tile.row + r], delta = buffers.delta[tile.row + r];
    if (dropout.active()) {
      row_keep_factors(call.plan, task, sizes, tile, r, buffers.keep);
      softmax_backward<true>(score_row, gradient_row, buffers.keep, sizes.globals, lse, delta);
      softmax_backward<true>(score_row + tile.begin, gradient_row + tile.begin, buffers.keep + tile.begin,
                             count, lse, delta);
    } else {
      softmax_backward<false, F>(score_row, gradient_row, nullptr, sizes.globals, lse, delta);
      softmax_backward<false, F>(score_row + tile.begin, gradient_row + tile.begin, nullptr, count, lse,
                                 delta);
    }
    // Products over queries, and sheared ones, look a few columns beyond the tile's own.
    for (F* const row : {score_row, gradient_row}) {
      clear(row + tile.begin - kAttentionLanes, kAttentionLanes);
      clear(row + tile.end, kAttentionLanes);
    }
  }
}

// dQ of one tile, content and position parts apart, before the factor scale.
template <class F>
HWY_NOINLINE void tile_dq(const SegmentSizes& sizes, const BackwardBuffers<F>& buffers, const Tile& tile) {
  const int64_t lanes = lanes_of<F>(), width = sizes.width, vectors = width / lanes;
  const F* const rows = buffers.gradient + tile.row * sizes.stride;
  const GemmC<F> content{buffers.dq_content + tile.row * width, width};
  gemm_row_of_tiles<false>(GemmA<F>{rows + tile.origin + tile.first_key, sizes.stride, 1},
                           GemmB<F>{buffers.keys.k_rows + tile.first_key * width, width, lanes}, content,
                           tile.last_key - tile.first_key, vectors);
  if (sizes.globals > 0) {
    gemm_row_of_tiles<true>(GemmA<F>{rows, sizes.stride, 1},
                            GemmB<F>{buffers.keys.global_k_rows, width, lanes}, content, sizes.global_count,
                            vectors);
  }
  if (sizes.slots > 0) {
    const int64_t first = tile.first_slot();
    gemm_row_of_tiles<false>(GemmA<F>{rows + tile.slot_column(0, first), sizes.stride + 1, 1},
                             GemmB<F>{buffers.keys.r_rows + first * width, width, lanes},
                             GemmC<F>{buffers.dq_position + tile.row * width, width},
                             tile.last_slot() - first, vectors);
  }
}

// dV += P^T dO and dK += dS^T Q over the rows of one block, for its band and for the global keys.
template <class F>
HWY_NOINLINE void block_key_gradients(const SegmentSizes& sizes, const BackwardBuffers<F>& buffers,
                                      const BackwardPartials<F>& partials, const Tile& block, int64_t rows) {
  const int64_t lanes = lanes_of<F>(), width = sizes.width, vectors = width / lanes;
  const int64_t last_key = std::min(block.length, block.query + rows + block.right) - block.key_begin;
  for (int64_t n = block.first_key / kTileRows * kTileRows; n < last_key; n += kTileRows) {
    // Queries that see one of these keys.
    const int64_t key = block.key_begin + n;
    const int64_t first = std::max(block.query, key - block.right) - block.query;
    const int64_t depth = std::min(block.query + rows, key + kTileRows + block.left) - block.query - first;
    const int64_t at = first * sizes.stride + block.origin + n;
    gemm_row_of_tiles<true>(GemmA<F>{buffers.strip + at, 1, sizes.stride},
                            GemmB<F>{buffers.dcontext + first * width, width, lanes},
                            GemmC<F>{buffers.dv + n * width, width}, depth, vectors);
    gemm_row_of_tiles<true>(GemmA<F>{buffers.gradient + at, 1, sizes.stride},
                            GemmB<F>{buffers.content + first * width, width, lanes},
                            GemmC<F>{buffers.dk + n * width, width}, depth, vectors);
  }
  for (int64_t n = 0; n < sizes.globals; n += kTileRows) {
    gemm_row_of_tiles<true>(GemmA<F>{buffers.strip + n, 1, sizes.stride},
                            GemmB<F>{buffers.dcontext, width, lanes},
                            GemmC<F>{partials.global_dv + n * width, width}, rows, vectors);
    gemm_row_of_tiles<true>(GemmA<F>{buffers.gradient + n, 1, sizes.stride},
                            GemmB<F>{buffers.content, width, lanes},
                            GemmC<F>{partials.global_dk + n * width, width}, rows, vectors);
  }
}

// dR += sheared dS^T (Q + v), and the column sums of dQ for du and dv.
template <class F>
HWY_NOINLINE void block_relative_gradients(const SegmentSizes& sizes, const BackwardBuffers<F>& buffers,
                                           const BackwardPartials<F>& partials, const Tile& block,
                                           int64_t rows) {
  const int64_t lanes = lanes_of<F>(), width = sizes.width;
  for (int64_t s = 0; s < sizes.slots; s += kTileRows) {
    // Queries for which one of these slots is a key of the sequence.
    const int64_t first = std::max<int64_t>(0, block.left - s - (kTileRows - 1) - block.query);
    const int64_t end = std::min(rows, block.length + block.left - s - block.query);
    if (end <= first) continue;
    gemm_row_of_tiles<true>(
        GemmA<F>{buffers.gradient + first * sizes.stride + block.slot_column(first, s), 1, sizes.stride + 1},
        GemmB<F>{buffers.position + first * width, width, lanes}, GemmC<F>{partials.dr + s * width, width},
        end - first, width / lanes);
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < width; ++c) partials.du[c] += buffers.dq_content[row * width + c];
    for (int64_t c = 0; c < width; ++c) partials.dv_bias[c] += buffers.dq_position[row * width + c];
  }
}

template <class Element>
HWY_INLINE void backward_block(const BackwardCall<Element>& call, const AttentionTask& task,
                               const SegmentSizes& sizes, BackwardBuffers<Accumulator<Element>>& buffers,
                               const BackwardPartials<Accumulator<Element>>& partials, int64_t block_query) {
  using F = Accumulator<Element>;
  const int64_t K = call.plan.shape().K, rows = std::min(sizes.block_rows, task.end - block_query);
  const bool any = pack_gradients(call, task, sizes, buffers, block_query, rows);
  const int64_t next = block_query + rows;
  prefetch_tokens(call.inputs.q, task, K, next, next + rows);
  prefetch_tokens(call.context, task, K, next, next + rows);
  prefetch_tokens(call.dcontext, task, K, next, next + rows);
  prefetch_tokens(call.dq, task, K, block_query, next);
  if (any) {
    pack_keys_until(call.plan, task, sizes, call.inputs, next, rows, buffers.keys);
    pack_queries(call.plan, task, sizes, call.inputs, block_query, rows,
                 PackedQueries<F>{buffers.content, buffers.position});
    for (int64_t row = 0; row < rows; row += kTileRows) {
      const Tile tile(task, sizes, block_query, row, lanes_of<F>());
      tile_gradients(call, task, sizes, buffers, tile);
      tile_dq(sizes, buffers, tile);
    }
    const Tile block(task, sizes, block_query, 0, lanes_of<F>());
    block_key_gradients(sizes, buffers, partials, block, rows);
    if (sizes.slots > 0) block_relative_gradients(sizes, buffers, partials, block, rows);
  }
  const F scale = static_cast<F>(call.plan.call().scale);
  for (int64_t row = 0; row < rows; ++row) {
    Element* const to = call.dq.row(task.row(block_query + row), task.h * K);
    F* const from = buffers.dq_content + row * sizes.width;
    if (!any) clear(from, sizes.width);
    for (int64_t c = 0; c < K && any && sizes.slots > 0; ++c)
      from[c] += buffers.dq_position[row * sizes.width + c];
    store_row(from, scale, to, K);
  }
}

// Writes the task's dK and dV. Keys that an even task has written already receive the sum.
template <class Element>
HWY_INLINE void store_key_gradients(const BackwardCall<Element>& call, const AttentionTask& task,
                                    const SegmentSizes& sizes,
                                    const BackwardBuffers<Accumulator<Element>>& buffers, bool odd) {
  using F = Accumulator<Element>;
  const int64_t K = call.plan.shape().K, head = task.h * K;
  // The packed queries carry scale * log2(e); their gradient product needs scale alone.
  const F dk_factor = static_cast<F>(kLn2), dv_factor = F(1);
  for (int64_t n = 0; n < sizes.key_count; ++n) {
    const int64_t key = task.key_begin() + n, row = task.row(key);
    const bool shared =
        (task.has_before && key < task.begin + task.right) || (task.has_after && key >= task.end - task.left);
    prefetch_tokens(call.dk, task, K, key + kPrefetchRows, key + kPrefetchRows + 1);
    prefetch_tokens(call.dv, task, K, key + kPrefetchRows, key + kPrefetchRows + 1);
    Element* const dk = call.dk.row(row, head);
    Element* const dv = call.dv.row(row, head);
    if (odd && shared) {
      add_row(buffers.dk + n * sizes.width, dk_factor, dk, K);
      add_row(buffers.dv + n * sizes.width, dv_factor, dv, K);
    } else {
      store_row(buffers.dk + n * sizes.width, dk_factor, dk, K);
      store_row(buffers.dv + n * sizes.width, dv_factor, dv, K);
    }
  }
}

template <class Element>
HWY_INLINE void backward_task(const BackwardCall<Element>& call, const AttentionTask& task, bool odd,
                              Accumulator<Element>* memory, Accumulator<Element>* partial_memory) {
  using F = Accumulator<Element>;
  const SegmentSizes sizes(call.plan, task, call.inputs.relative != nullptr, backward_block_rows(task));
  Arena<F> arena(memory), partial_arena(partial_memory);
  BackwardBuffers<F> buffers(sizes, arena);
  const BackwardPartials<F> partials(sizes, partial_arena);
  pack_shared_keys(call.plan, task, sizes, call.inputs, buffers.keys);
  clear(buffers.dk, sizes.keys * sizes.width);
  clear(buffers.dv, sizes.keys * sizes.width);
  clear(partial_memory, partial_arena.used());
  for (int64_t query = task.begin; query < task.end; query += sizes.block_rows) {
    backward_block(call, task, sizes, buffers, partials, query);
  }
  store_key_gradients(call, task, sizes, buffers, odd);
}

void backward_task_f32(const BackwardCall<float>& call, const AttentionTask& task, bool odd, float* memory,
                       float* partials) {
  backward_task(call, task, odd, memory, partials);
}
#if HWY_TARGET == HWY_STATIC_TARGET  // f64 is for checks
void backward_task_f64(const BackwardCall<double>& call, const AttentionTask& task, bool odd, double* memory,
                       double* partials) {
  backward_task(call, task, odd, memory, partials);
}
#endif
void backward_task_bf16(const BackwardCall<bf16>& call, const AttentionTask& task, bool odd, float* memory,
                        float* partials) {
  backward_task(call, task, odd, memory, partials);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
namespace {

HWY_EXPORT(backward_task_f32);
HWY_EXPORT(backward_task_bf16);

void run_task(const BackwardCall<float>& call, const AttentionTask& task, bool odd, float* memory,
              float* partials) {
  HWY_DYNAMIC_DISPATCH(backward_task_f32)(call, task, odd, memory, partials);
}
void run_task(const BackwardCall<double>& call, const AttentionTask& task, bool odd, double* memory,
              double* partials) {
  HWY_STATIC_DISPATCH(backward_task_f64)(call, task, odd, memory, partials);
}
void run_task(const BackwardCall<bf16>& call, const AttentionTask& task, bool odd, float* memory,
              float* partials) {
  HWY_DYNAMIC_DISPATCH(backward_task_bf16)(call, task, odd, memory, partials);
}

template <class Element>
void run_tasks(const BackwardCall<Element>& call, PartialSums<Accumulator<Element>>& partials) {
  using F = Accumulator<Element>;
  const int64_t most = backward_numbers<F>(call.plan, call.inputs.relative != nullptr);
  const ScratchCount counted(scratch_of_threads<F>(most));
  std::vector<AlignedBuffer<F>> memory(omp_get_max_threads());
  for (auto& piece : memory) piece = hwy::AllocateAligned<F>(std::max<int64_t>(most, 1));
  for (const bool odd : {false, true}) {
    const std::vector<int64_t>& numbers = odd ? call.plan.odd_tasks() : call.plan.even_tasks();
#pragma omp parallel for schedule(dynamic)
    for (size_t n = 0; n < numbers.size(); ++n) {
      F* const own = memory[omp_get_thread_num()].get();
      run_task(call, call.plan.tasks()[numbers[n]], odd, own, partials.memory(numbers[n]));
    }
  }
}

template <class Element>
void run_backward(const BackwardCall<Element>& call, const RelativeGradients<Element>& gradients) {
  const bool relative = call.inputs.relative != nullptr;
  const int64_t H = call.plan.shape().H, B = call.plan.shape().B;
  using F = Accumulator<Element>;
  const ScratchCount counted(partial_numbers<F>(call.plan, relative) * static_cast<int64_t>(sizeof(F)));
  PartialSums<F> partials(call.plan, relative);
  run_tasks(call, partials);
  const std::vector<int64_t>& sequences = call.plan.sequence_tasks();
#pragma omp parallel for schedule(dynamic)
  for (int64_t n = 0; n < H * B; ++n) {
    store_global_gradients(call, partials, sequences[n], sequences[n + 1]);
  }
  if (!relative) return;
#pragma omp parallel for schedule(dynamic)
  for (int64_t h = 0; h < H; ++h) {
    store_relative_gradients(call, partials, gradients, sequences[h * B], sequences[(h + 1) * B], h);
  }
}

}  // namespace

void kernels::cpu::window_attention_backward(const AttentionCall& call, const TokenTensors& qkv,
                                             const RelativeTensors& relative, const Tensor& context,
                                             const Tensor& lse, const Tensor& dcontext,
                                             const TokenTensors& dqkv, const RelativeTensors& drelative) {
  const int64_t H = context.dim(1), K = context.dim(2), width = H * K;
  const AttentionPlan plan(call, H, K);
  visit_float(context.dtype(), [&]<class T>() {
    const RelativePositions<T> terms = relative_positions<T>(relative);
    const auto [q, k, v] = token_views<const T>(qkv, H, K);
    const auto [dq, dk, dv] = token_views<T>(dqkv, H, K);
    run_backward(BackwardCall<T>{plan,
                                 {q, k, v, terms.r == nullptr ? nullptr : &terms},
                                 token_view<const T>(context, width),
                                 lse.data<Accumulator<T>>(),
                                 token_view<const T>(dcontext, width),
                                 dq,
                                 dk,
                                 dv},
                 relative_gradients<T>(drelative));
  });
}

}  // namespace lf
#endif
