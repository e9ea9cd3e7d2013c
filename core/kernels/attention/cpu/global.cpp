// Dense attention of the global tokens, one task per (batch row, head).
//   forward:  P = softmax(scale * Q K^T) over the valid keys,  context = dropout(P) V
//   backward: dP = dO V^T, dS = P * (dP * keep - rowsum(dO * O)),
//             dQ = dS K, dK = dS^T Q, dV = (P * keep)^T dO
// Forward keeps a tile's whole rows of scores; backward knows lse and walks the keys in chunks.
#include "core/kernels/attention/global.h"

#include "core/kernels/simd_targets.h"

#include <hwy/aligned_allocator.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/attention/cpu/global_memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/attention/cpu/global.cpp"
#include <hwy/foreach_target.h>

#include "core/kernels/attention/cpu/dropout-inl.h"
#include "core/kernels/attention/cpu/packing-inl.h"
#include "core/kernels/attention/cpu/small_gemm-inl.h"
#include "core/kernels/attention/cpu/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

// Keys [begin, begin + sizes.keys) of (b, h), those beyond T as hidden zeros.
template <class Element, class F>
HWY_INLINE void pack_global_keys(const AttentionPlan& plan, TokenView<const Element> k,
                                 TokenView<const Element> v, int64_t b, int64_t h, int64_t begin,
                                 const GlobalSizes& sizes, const GlobalKeys<F>& keys) {
  const int64_t T = plan.shape().T, K = plan.shape().K, width = sizes.width;
  const int64_t count = std::min(T - begin, sizes.keys);
  for (int64_t n = 0; n < count; ++n) {
    load_row(k.row(b, begin + n, h * K), keys.k_rows + n * width, K, width);
    load_row(v.row(b, begin + n, h * K), keys.v_rows + n * width, K, width);
    const bool seen = plan.kind(b, begin + n) != TokenKind::padded;
    keys.key_bias[n] = seen ? F(0) : -std::numeric_limits<F>::infinity();
  }
  clear(keys.k_rows + count * width, (sizes.keys - count) * width);
  clear(keys.v_rows + count * width, (sizes.keys - count) * width);
  std::fill(keys.key_bias + count, keys.key_bias + sizes.keys, -std::numeric_limits<F>::infinity());
  transpose_rows(keys.k_rows, keys.k_panels, sizes.keys, K, width);
}

// out (kTileRows, stride) = rows (kTileRows, width) times the panels' keys.
template <class F>
HWY_INLINE void times_panels(const F* rows, const F* panels, const GlobalSizes& sizes, int64_t K, F* out) {
  const int64_t lanes = lanes_of<F>();
  gemm_row_of_tiles<false>(GemmA<F>{rows, sizes.width, 1}, GemmB<F>{panels, lanes, lanes * K},
                           GemmC<F>{out, sizes.stride}, K, sizes.keys / lanes);
}

// Softmax of one row of scores, dropout, and its lse.
template <class Element>
HWY_INLINE Accumulator<Element> global_softmax(const GlobalForwardCall<Element>& call,
                                               const GlobalSizes& sizes,
                                               const GlobalForwardBuffers<Accumulator<Element>>& buffers,
                                               int64_t b, int64_t h, int64_t position,
                                               Accumulator<Element>* row, Accumulator<Element>* lse) {
  using F = Accumulator<Element>;
  const WindowAttentionShape& shape = call.plan.shape();
  add_bias(row, buffers.keys.key_bias, sizes.keys);
  const F maximum = row_maximum(row, sizes.keys, -std::numeric_limits<F>::infinity());
  const F sum = exponentiate(row, sizes.keys, maximum);
  *lse = maximum * static_cast<F>(kLn2) + std::log(sum);
  if (shape.dropout.active()) {
    keep_factors(shape.dropout, call.plan.dropout_row(b, h, position), 1, sizes.keys, buffers.keep);
    multiply(row, buffers.keep, sizes.keys);
  }
  return sum;
}

template <class Element>
HWY_INLINE void global_forward(const GlobalForwardCall<Element>& call, int64_t b, int64_t h,
                               Accumulator<Element>* memory) {
  using F = Accumulator<Element>;
  const WindowAttentionShape& shape = call.plan.shape();
  const int64_t H = shape.H, K = shape.K, lanes = lanes_of<F>();
  const GlobalSizes sizes(shape, b, shape.T);
  if (sizes.count == 0) return;
  Arena<F> arena(memory);
  const GlobalForwardBuffers<F> buffers(sizes, arena);
  pack_global_keys(call.plan, call.k, call.v, b, h, 0, sizes, buffers.keys);
  for (int64_t tile = 0; tile < sizes.count; tile += kTileRows) {
    const int64_t rows = std::min(kTileRows, sizes.count - tile), first = sizes.first + tile;
    clear(buffers.q, kTileRows * sizes.width);
    for (int64_t r = 0; r < rows; ++r) {
      load_row_biased<Element, F>(call.q + ((first + r) * H + h) * K, nullptr,
                                  static_cast<F>(shape.scale * kLog2E), buffers.q + r * sizes.width, K,
                                  sizes.width);
    }
    times_panels(buffers.q, buffers.keys.k_panels, sizes, K, buffers.strip);
    F row_sums[kTileRows] = {};
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t position = shape.global_positions[first + r];
      F* const lse = call.lse + (first + r) * H + h;
      *lse = -std::numeric_limits<F>::infinity();
      if (call.plan.kind(b, position) != TokenKind::global) continue;
      row_sums[r] =
          global_softmax(call, sizes, buffers, b, h, position, buffers.strip + r * sizes.stride, lse);
    }
    gemm_row_of_tiles<false>(GemmA<F>{buffers.strip, sizes.stride, 1},
                             GemmB<F>{buffers.keys.v_rows, sizes.width, lanes},
                             GemmC<F>{buffers.sums, sizes.width}, sizes.keys, sizes.width / lanes);
    for (int64_t r = 0; r < rows; ++r) {
      Element* const to = call.context.row(b, shape.global_positions[first + r], h * K);
      if (row_sums[r] != 0) {
        store_row(buffers.sums + r * sizes.width, F(1) / row_sums[r], to, K);
      } else {
        std::fill(to, to + K, Element(0.0f));
      }
    }
  }
}

// q, dcontext, lse and delta of all global tokens of (b, h); zeros and an infinite lse where padded.
template <class Element>
HWY_INLINE void pack_global_queries(const GlobalBackwardCall<Element>& call, int64_t b, int64_t h,
                                    const GlobalSizes& sizes,
                                    const GlobalBackwardBuffers<Accumulator<Element>>& buffers) {
  using F = Accumulator<Element>;
  const WindowAttentionShape& shape = call.plan.shape();
  const int64_t H = shape.H, K = shape.K, width = sizes.width;
  for (int64_t n = 0; n < sizes.rows; ++n) {
    F* const q = buffers.q + n * width;
    F* const dcontext = buffers.dcontext + n * width;
    clear(q, width);
    clear(dcontext, width);
    buffers.lse[n] = std::numeric_limits<F>::infinity();
    buffers.delta[n] = 0;
    if (n >= sizes.count) continue;
    const int64_t position = shape.global_positions[sizes.first + n];
    if (call.plan.kind(b, position) != TokenKind::global) continue;
    load_row_biased<Element, F>(call.q + ((sizes.first + n) * H + h) * K, nullptr,
                                static_cast<F>(shape.scale * kLog2E), q, K, width);
    load_row(call.dcontext.row(b, position, h * K), dcontext, K, width);
    const Element* const context = call.context.row(b, position, h * K);
    F delta = 0;
    for (int64_t c = 0; c < K; ++c) delta += dcontext[c] * static_cast<F>(context[c]);
    buffers.delta[n] = delta;
    buffers.lse[n] = call.lse[(sizes.first + n) * H + h] * static_cast<F>(kLog2E);
  }
}

// P (times keep) and dS of the tile of queries from `first`, which is row `row` of the strips.
template <class Element>
HWY_INLINE void global_tile_gradients(const GlobalBackwardCall<Element>& call, int64_t b, int64_t h,
                                      int64_t begin, const GlobalSizes& sizes,
                                      const GlobalBackwardBuffers<Accumulator<Element>>& buffers,
                                      int64_t first, int64_t row) {
  using F = Accumulator<Element>;
  const WindowAttentionShape& shape = call.plan.shape();
  F* const scores = buffers.strip + row * sizes.stride;
  F* const gradient = buffers.gradient + row * sizes.stride;
  times_panels(buffers.q + first * sizes.width, buffers.keys.k_panels, sizes, shape.K, scores);
  times_panels(buffers.dcontext + first * sizes.width, buffers.v_panels, sizes, shape.K, gradient);
  for (int64_t r = 0; r < kTileRows; ++r) {
    F* const score_row = scores + r * sizes.stride;
    F* const gradient_row = gradient + r * sizes.stride;
    const F lse = buffers.lse[first + r], delta = buffers.delta[first + r];
    add_bias(score_row, buffers.keys.key_bias, sizes.keys);
    if (shape.dropout.active() && first + r < sizes.count) {
      const uint64_t element = call.plan.dropout_row(b, h, shape.global_positions[sizes.first + first + r]);
      keep_factors(shape.dropout, element + static_cast<uint64_t>(begin), 1, sizes.keys, buffers.keep);
      softmax_backward<true>(score_row, gradient_row, buffers.keep, sizes.keys, lse, delta);
    } else {
      softmax_backward<false, F>(score_row, gradient_row, nullptr, sizes.keys, lse, delta);
    }
  }
}

// dQ += dS K, dK = dS^T Q and dV = P^T dO for the keys from `begin`.
template <class Element>
HWY_INLINE void global_backward_chunk(const GlobalBackwardCall<Element>& call, int64_t b, int64_t h,
                                      int64_t begin, const GlobalSizes& sizes,
                                      const GlobalBackwardBuffers<Accumulator<Element>>& buffers) {
  using F = Accumulator<Element>;
  const int64_t K = call.plan.shape().K, width = sizes.width;
  const int64_t lanes = lanes_of<F>(), vectors = width / lanes;
  pack_global_keys(call.plan, call.k, call.v, b, h, begin, sizes, buffers.keys);
  transpose_rows(buffers.keys.v_rows, buffers.v_panels, sizes.keys, K, width);
  clear(buffers.dk, sizes.keys * width);
  clear(buffers.dv, sizes.keys * width);
  for (int64_t block = 0; block < sizes.count; block += kGlobalBackwardRows) {
    const int64_t rows = std::min(kGlobalBackwardRows, sizes.count - block);
    for (int64_t row = 0; row < rows; row += kTileRows) {
      global_tile_gradients(call, b, h, begin, sizes, buffers, block + row, row);
      gemm_row_of_tiles<true>(GemmA<F>{buffers.gradient + row * sizes.stride, sizes.stride, 1},
                              GemmB<F>{buffers.keys.k_rows, width, lanes},
                              GemmC<F>{buffers.dq + (block + row) * width, width}, sizes.keys, vectors);
    }
    for (int64_t n = 0; n < sizes.keys; n += kTileRows) {
      gemm_row_of_tiles<true>(GemmA<F>{buffers.strip + n, 1, sizes.stride},
                              GemmB<F>{buffers.dcontext + block * width, width, lanes},
                              GemmC<F>{buffers.dv + n * width, width}, rows, vectors);
      gemm_row_of_tiles<true>(GemmA<F>{buffers.gradient + n, 1, sizes.stride},
                              GemmB<F>{buffers.q + block * width, width, lanes},
                              GemmC<F>{buffers.dk + n * width, width}, rows, vectors);
    }
  }
  // The packed queries carry scale * log2(e); dK needs scale alone.
  for (int64_t n = 0; n < std::min(sizes.keys, call.plan.shape().T - begin); ++n) {
    store_row(buffers.dk + n * width, static_cast<F>(kLn2), call.dk.row(b, begin + n, h * K), K);
    store_row(buffers.dv + n * width, F(1), call.dv.row(b, begin + n, h * K), K);
  }
}

template <class Element>
HWY_INLINE void global_backward(const GlobalBackwardCall<Element>& call, int64_t b, int64_t h,
                                Accumulator<Element>* memory) {
  using F = Accumulator<Element>;
  const WindowAttentionShape& shape = call.plan.shape();
  const GlobalSizes sizes(shape, b, kGlobalChunk);
  Arena<F> arena(memory);
  const GlobalBackwardBuffers<F> buffers(sizes, arena);
  pack_global_queries(call, b, h, sizes, buffers);
  clear(buffers.dq, sizes.rows * sizes.width);
  for (int64_t begin = 0; begin < shape.T; begin += sizes.keys) {
    global_backward_chunk(call, b, h, begin, sizes, buffers);
  }
  for (int64_t n = 0; n < sizes.count; ++n) {
    store_row(buffers.dq + n * sizes.width, static_cast<F>(shape.scale),
              call.dq + ((sizes.first + n) * shape.H + h) * shape.K, shape.K);
  }
}

void global_forward_f32(const GlobalForwardCall<float>& call, int64_t b, int64_t h, float* memory) {
  global_forward(call, b, h, memory);
}
void global_forward_f64(const GlobalForwardCall<double>& call, int64_t b, int64_t h, double* memory) {
  global_forward(call, b, h, memory);
}
void global_forward_bf16(const GlobalForwardCall<bf16>& call, int64_t b, int64_t h, float* memory) {
  global_forward(call, b, h, memory);
}
void global_backward_f32(const GlobalBackwardCall<float>& call, int64_t b, int64_t h, float* memory) {
  global_backward(call, b, h, memory);
}
void global_backward_f64(const GlobalBackwardCall<double>& call, int64_t b, int64_t h, double* memory) {
  global_backward(call, b, h, memory);
}
void global_backward_bf16(const GlobalBackwardCall<bf16>& call, int64_t b, int64_t h, float* memory) {
  global_backward(call, b, h, memory);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
namespace {

HWY_EXPORT(global_forward_f32);
HWY_EXPORT(global_forward_f64);
HWY_EXPORT(global_forward_bf16);
HWY_EXPORT(global_backward_f32);
HWY_EXPORT(global_backward_f64);
HWY_EXPORT(global_backward_bf16);

void run(const GlobalForwardCall<float>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(global_forward_f32)(call, b, h, memory);
}
void run(const GlobalForwardCall<double>& call, int64_t b, int64_t h, double* memory) {
  HWY_DYNAMIC_DISPATCH(global_forward_f64)(call, b, h, memory);
}
void run(const GlobalForwardCall<bf16>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(global_forward_bf16)(call, b, h, memory);
}
void run(const GlobalBackwardCall<float>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(global_backward_f32)(call, b, h, memory);
}
void run(const GlobalBackwardCall<double>& call, int64_t b, int64_t h, double* memory) {
  HWY_DYNAMIC_DISPATCH(global_backward_f64)(call, b, h, memory);
}
void run(const GlobalBackwardCall<bf16>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(global_backward_bf16)(call, b, h, memory);
}

// Runs every (batch row, head), each thread with memory for the largest.
template <class Buffers, class F, class Call>
void run_all(const Call& call, int64_t most_keys) {
  const WindowAttentionShape& shape = call.plan.shape();
  int64_t most = 1;
  for (int64_t b = 0; b < shape.B; ++b) {
    Arena<F> count(nullptr);
    Buffers(GlobalSizes(shape, b, most_keys), count);
    most = std::max(most, count.used());
  }
  std::vector<hwy::AlignedFreeUniquePtr<F[]>> memory(omp_get_max_threads());
  for (auto& piece : memory) piece = hwy::AllocateAligned<F>(most);
#pragma omp parallel for schedule(dynamic)
  for (int64_t n = 0; n < shape.B * shape.H; ++n) {
    run(call, n / shape.H, n % shape.H, memory[omp_get_thread_num()].get());
  }
}

}  // namespace

template <class Element>
void global_attention_forward(const WindowAttentionShape& shape, const Element* q, TokenView<const Element> k,
                              TokenView<const Element> v, TokenView<Element> context,
                              Accumulator<Element>* lse) {
  using F = Accumulator<Element>;
  if (shape.global_offsets == nullptr || shape.global_offsets[shape.B] == 0) return;
  const AttentionPlan plan(shape);
  run_all<GlobalForwardBuffers<F>, F>(GlobalForwardCall<Element>{plan, q, k, v, context, lse}, shape.T);
}

template <class Element>
void global_attention_backward(const WindowAttentionShape& shape, const Element* q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               TokenView<const Element> context, const Accumulator<Element>* lse,
                               TokenView<const Element> dcontext, Element* dq, TokenView<Element> dk,
                               TokenView<Element> dv) {
  using F = Accumulator<Element>;
  WindowAttentionShape with_lists = shape;
  const std::vector<int64_t> no_globals(shape.B + 1, 0);
  if (shape.global_offsets == nullptr) with_lists.global_offsets = no_globals.data();
  const AttentionPlan plan(with_lists);
  run_all<GlobalBackwardBuffers<F>, F>(
      GlobalBackwardCall<Element>{plan, q, k, v, context, lse, dcontext, dq, dk, dv}, kGlobalChunk);
}

#define LF_INSTANTIATE(Element)                                                                        \
  template void global_attention_forward(const WindowAttentionShape&, const Element*,                  \
                                         TokenView<const Element>, TokenView<const Element>,           \
                                         TokenView<Element>, Accumulator<Element>*);                   \
  template void global_attention_backward(                                                             \
      const WindowAttentionShape&, const Element*, TokenView<const Element>, TokenView<const Element>, \
      TokenView<const Element>, const Accumulator<Element>*, TokenView<const Element>, Element*,       \
      TokenView<Element>, TokenView<Element>);
LF_INSTANTIATE(float)
LF_INSTANTIATE(double)
LF_INSTANTIATE(bf16)
#undef LF_INSTANTIATE

}  // namespace lf
#endif
