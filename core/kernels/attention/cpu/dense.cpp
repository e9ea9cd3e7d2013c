// Dense attention, one task per (sequence, head).
//   forward:  P = softmax(scale * Q K^T) over the valid keys,  context = dropout(P) V
//   backward: dP = dO V^T, dS = P * (dP * keep - rowsum(dO * O)),
//             dQ = dS K, dK = dS^T Q, dV = (P * keep)^T dO
// Forward keeps a tile's whole rows of scores, and packs no keys for a few queries; backward knows lse and
// walks the keys in chunks.
#include "core/kernels/simd_targets.h"

#include <hwy/aligned_allocator.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/kernels/attention/cpu/dense_memory.h"
#include "core/kernels/attention/scratch.h"
#include "core/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/attention/cpu/dense.cpp"
#include <hwy/foreach_target.h>

#include "core/kernels/attention/cpu/dense_few-inl.h"
#include "core/kernels/attention/cpu/dropout-inl.h"
#include "core/kernels/attention/cpu/packing-inl.h"
#include "core/kernels/attention/cpu/softmax-inl.h"
#include "core/kernels/small_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lf {
namespace HWY_NAMESPACE {

// Keys [begin, begin + sizes.keys) of (b, h), those beyond the sequence as hidden zeros.
template <class Element, class F>
HWY_INLINE void pack_dense_keys(const DenseShape& shape, TokenView<const Element> k,
                                TokenView<const Element> v, int64_t b, int64_t h, int64_t begin,
                                const DenseSizes& sizes, const DenseKeys<F>& keys) {
  const int64_t K = shape.K, width = sizes.width, first = shape.call.key_offsets[b] + begin;
  const int64_t count = std::min(shape.keys(b) - begin, sizes.keys);
  for (int64_t n = 0; n < count; ++n) {
    load_row(k.row(first + n, h * K), keys.k_rows + n * width, K, width);
    load_row(v.row(first + n, h * K), keys.v_rows + n * width, K, width);
    const bool seen = shape.is_key(first + n);
    keys.key_bias[n] = seen ? F(0) : -std::numeric_limits<F>::infinity();
  }
  clear(keys.k_rows + count * width, (sizes.keys - count) * width);
  clear(keys.v_rows + count * width, (sizes.keys - count) * width);
  std::fill(keys.key_bias + count, keys.key_bias + sizes.keys, -std::numeric_limits<F>::infinity());
  transpose_rows(keys.k_rows, keys.k_panels, sizes.keys, K, width);
}

// out (kTileRows, stride) = rows (kTileRows, width) times the first keys of the panels, whole vectors of
// them.
template <class F>
HWY_NOINLINE void times_panels(const F* rows, const F* panels, const DenseSizes& sizes, int64_t K,
                               int64_t keys, F* out) {
  const int64_t lanes = lanes_of<F>();
  gemm_row_of_tiles<false>(GemmA<F>{rows, sizes.width, 1}, GemmB<F>{panels, lanes, lanes * K},
                           GemmC<F>{out, sizes.stride}, K, keys / lanes);
}

// Keys from `begin` on that some of a tile's queries may see, rounded to whole vectors.
inline int64_t tile_keys(const DenseShape& shape, const DenseSizes& sizes, int64_t tile, int64_t begin) {
  if (!shape.call.causal) return sizes.keys;
  int64_t last = -1;
  for (int64_t n = tile; n < std::min(tile + kTileRows, sizes.count); ++n)
    last = std::max(last, shape.position(sizes.first, n));
  return std::clamp(round_up(last + 1 - begin, kAttentionLanes), int64_t{0}, sizes.keys);
}

// Hides of `keys` keys from `begin` on those that come after the query.
template <class F>
HWY_INLINE void hide_later(const DenseShape& shape, int64_t position, int64_t begin, int64_t keys, F* row) {
  if (!shape.call.causal) return;
  hide_edges(row, int64_t{0}, keys, int64_t{0}, std::clamp(position + 1 - begin, int64_t{0}, keys));
}

// Softmax of one row of scores with `keys` keys, dropout, and its lse.
template <class Element>
HWY_INLINE Accumulator<Element> dense_softmax(const DenseForwardViews<Element>& call,
                                              const DenseForwardBuffers<Accumulator<Element>>& buffers,
                                              int64_t b, int64_t h, int64_t position, int64_t keys,
                                              Accumulator<Element>* row, Accumulator<Element>* lse) {
  using F = Accumulator<Element>;
  const Dropout& dropout = call.shape.call.dropout;
  add_bias(row, buffers.keys.key_bias, keys);
  hide_later(call.shape, position, 0, keys, row);
  F maximum = row_maximum(row, keys, -std::numeric_limits<F>::infinity());
  if (maximum == -std::numeric_limits<F>::infinity()) maximum = 0;  // no key at all: every exponential is 0
  const F sum = exponentiate(row, keys, maximum);
  *lse = maximum * static_cast<F>(kLn2) + std::log(sum);
  if (dropout.active()) {
    keep_factors(dropout, call.shape.dropout_row(b, h, position), 1, keys, buffers.keep);
    multiply(row, buffers.keep, keys);
  }
  return sum;
}

// The softmax of a tile's rows of scores, and each row's sum, 0 where it is padded.
template <class Element>
HWY_INLINE void tile_softmax(const DenseForwardViews<Element>& call,
                             const DenseForwardBuffers<Accumulator<Element>>& buffers,
                             const DenseSizes& sizes, int64_t b, int64_t h, int64_t tile, int64_t rows,
                             int64_t keys, Accumulator<Element>* sums) {
  using F = Accumulator<Element>;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t position = call.shape.position(sizes.first, tile + r);
    F* const lse = call.lse + (sizes.first + tile + r) * call.shape.H + h;
    *lse = -std::numeric_limits<F>::infinity();
    sums[r] = 0;
    if (position < 0) continue;
    sums[r] = dense_softmax(call, buffers, b, h, position, keys, buffers.strip + r * sizes.stride, lse);
  }
}

// The weighted values of a tile's rows, divided by the sums of the weights.
template <class Element>
HWY_INLINE void store_tile(const DenseForwardViews<Element>& call, const Accumulator<Element>* values,
                           int64_t width, int64_t first, int64_t h, int64_t rows,
                           const Accumulator<Element>* row_sums) {
  using F = Accumulator<Element>;
  const int64_t K = call.shape.K;
  for (int64_t r = 0; r < rows; ++r) {
    Element* const to = call.context.row(first + r, h * K);
    if (row_sums[r] != 0) {
      store_row(values + r * width, F(1) / row_sums[r], to, K);
    } else {
      std::fill(to, to + K, Element(0.0f));
    }
  }
}

// Queries of a tile, scaled; zeros behind them.
template <class Element>
HWY_INLINE void load_queries(const DenseForwardViews<Element>& call, const DenseSizes& sizes, int64_t first,
                             int64_t h, int64_t rows, Accumulator<Element>* q) {
  using F = Accumulator<Element>;
  const int64_t K = call.shape.K;
  clear(q, kTileRows * sizes.width);
  for (int64_t r = 0; r < rows; ++r) {
    load_row_biased<Element, F>(call.q.row(first + r, h * K), nullptr,
                                static_cast<F>(call.shape.call.scale * kLog2E), q + r * sizes.width, K,
                                sizes.width);
  }
}

HWY_INLINE void few_queries_forward(const DenseForwardViews<float>& call, const DenseSizes& sizes, int64_t b,
                                    int64_t h, const DenseForwardBuffers<float>& buffers) {
  const DenseShape& shape = call.shape;
  const int64_t K = shape.K, first = shape.call.key_offsets[b], keys = shape.keys(b);
  float* const bias = buffers.keys.key_bias;
  for (int64_t n = 0; n < keys; ++n)
    bias[n] = shape.is_key(first + n) ? 0.0f : -std::numeric_limits<float>::infinity();
  std::fill(bias + keys, bias + sizes.keys, -std::numeric_limits<float>::infinity());
  load_queries(call, sizes, sizes.first, h, sizes.count, buffers.q);
  few_scores(call.k, first, h * K, keys, buffers.q, sizes.width, K, buffers.strip, sizes.stride);
  for (int64_t r = 0; r < kFewQueries; ++r)
    std::fill(buffers.strip + r * sizes.stride + keys, buffers.strip + r * sizes.stride + sizes.keys, 0.0f);
  float row_sums[kFewQueries] = {};
  tile_softmax(call, buffers, sizes, b, h, 0, sizes.count, sizes.keys, row_sums);
  few_sums(call.v, first, h * K, keys, buffers.strip, sizes.stride, K, buffers.sums, sizes.width);
  store_tile(call, buffers.sums, sizes.width, sizes.first, h, sizes.count, row_sums);
}

template <class Element>
HWY_INLINE void dense_forward(const DenseForwardViews<Element>& call, int64_t b, int64_t h,
                              Accumulator<Element>* memory) {
  using F = Accumulator<Element>;
  const DenseShape& shape = call.shape;
  const int64_t K = shape.K, lanes = lanes_of<F>();
  const DenseSizes sizes(shape, b, shape.keys(b));
  if (sizes.count == 0) return;
  Arena<F> arena(memory);
  const DenseForwardBuffers<F> buffers(sizes, arena);
  if constexpr (std::is_same_v<Element, float>) {
    if (sizes.count <= kFewQueries) return few_queries_forward(call, sizes, b, h, buffers);
  }
  pack_dense_keys(shape, call.k, call.v, b, h, 0, sizes, buffers.keys);
  for (int64_t tile = 0; tile < sizes.count; tile += kTileRows) {
    const int64_t rows = std::min(kTileRows, sizes.count - tile), first = sizes.first + tile;
    const int64_t keys = tile_keys(shape, sizes, tile, 0);
    load_queries(call, sizes, first, h, rows, buffers.q);
    times_panels(buffers.q, buffers.keys.k_panels, sizes, K, keys, buffers.strip);
    F row_sums[kTileRows] = {};
    tile_softmax(call, buffers, sizes, b, h, tile, rows, keys, row_sums);
    gemm_row_of_tiles<false>(GemmA<F>{buffers.strip, sizes.stride, 1},
                             GemmB<F>{buffers.keys.v_rows, sizes.width, lanes},
                             GemmC<F>{buffers.sums, sizes.width}, keys, sizes.width / lanes);
    store_tile(call, buffers.sums, sizes.width, first, h, rows, row_sums);
  }
}

// q, dcontext, lse and delta of all queries of (b, h); zeros and an infinite lse where padded or without
// keys.
template <class Element>
HWY_INLINE void pack_dense_queries(const DenseBackwardViews<Element>& call, int64_t h,
                                   const DenseSizes& sizes,
                                   const DenseBackwardBuffers<Accumulator<Element>>& buffers) {
  using F = Accumulator<Element>;
  const DenseShape& shape = call.shape;
  const int64_t H = shape.H, K = shape.K, width = sizes.width;
  for (int64_t n = 0; n < sizes.rows; ++n) {
    F* const q = buffers.q + n * width;
    F* const dcontext = buffers.dcontext + n * width;
    clear(q, width);
    clear(dcontext, width);
    buffers.lse[n] = std::numeric_limits<F>::infinity();
    buffers.delta[n] = 0;
    if (n >= sizes.count) continue;
    const int64_t row = sizes.first + n;
    if (shape.position(sizes.first, n) < 0 || std::isinf(call.lse[row * H + h])) continue;
    load_row_biased<Element, F>(call.q.row(row, h * K), nullptr, static_cast<F>(shape.call.scale * kLog2E), q,
                                K, width);
    load_row(call.dcontext.row(row, h * K), dcontext, K, width);
    const Element* const context = call.context.row(row, h * K);
    F delta = 0;
    for (int64_t c = 0; c < K; ++c) delta += dcontext[c] * static_cast<F>(context[c]);
    buffers.delta[n] = delta;
    buffers.lse[n] = call.lse[row * H + h] * static_cast<F>(kLog2E);
  }
}

// P (times keep) and dS of the tile of queries from `first`, which is row `row` of the strips.
template <class Element>
HWY_INLINE void dense_tile_gradients(const DenseBackwardViews<Element>& call, int64_t b, int64_t h,
                                     int64_t begin, const DenseSizes& sizes,
                                     const DenseBackwardBuffers<Accumulator<Element>>& buffers, int64_t first,
                                     int64_t row) {
  using F = Accumulator<Element>;
  const DenseShape& shape = call.shape;
  const Dropout& dropout = shape.call.dropout;
  const int64_t keys = tile_keys(shape, sizes, first, begin);
  F* const scores = buffers.strip + row * sizes.stride;
  F* const gradient = buffers.gradient + row * sizes.stride;
  times_panels(buffers.q + first * sizes.width, buffers.keys.k_panels, sizes, shape.K, keys, scores);
  times_panels(buffers.dcontext + first * sizes.width, buffers.v_panels, sizes, shape.K, keys, gradient);
  for (int64_t r = 0; r < kTileRows; ++r) {
    F* const score_row = scores + r * sizes.stride;
    F* const gradient_row = gradient + r * sizes.stride;
    const F lse = buffers.lse[first + r], delta = buffers.delta[first + r];
    const int64_t position = first + r < sizes.count ? shape.position(sizes.first, first + r) : -1;
    add_bias(score_row, buffers.keys.key_bias, keys);
    hide_later(shape, position, begin, keys, score_row);
    if (dropout.active() && position >= 0) {
      const uint64_t element = shape.dropout_row(b, h, position);
      keep_factors(dropout, element + static_cast<uint64_t>(begin), 1, keys, buffers.keep);
      softmax_backward<true>(score_row, gradient_row, buffers.keep, keys, lse, delta);
    } else {
      softmax_backward<false, F>(score_row, gradient_row, nullptr, keys, lse, delta);
    }
    clear(score_row + keys, sizes.keys - keys);
    clear(gradient_row + keys, sizes.keys - keys);
  }
}

// dQ += dS K, dK = dS^T Q and dV = P^T dO for the keys from `begin`.
template <class Element>
HWY_INLINE void dense_backward_chunk(const DenseBackwardViews<Element>& call, int64_t b, int64_t h,
                                     int64_t begin, const DenseSizes& sizes,
                                     const DenseBackwardBuffers<Accumulator<Element>>& buffers) {
  using F = Accumulator<Element>;
  const int64_t K = call.shape.K, width = sizes.width;
  const int64_t lanes = lanes_of<F>(), vectors = width / lanes;
  pack_dense_keys(call.shape, call.k, call.v, b, h, begin, sizes, buffers.keys);
  transpose_rows(buffers.keys.v_rows, buffers.v_panels, sizes.keys, K, width);
  clear(buffers.dk, sizes.keys * width);
  clear(buffers.dv, sizes.keys * width);
  for (int64_t block = 0; block < sizes.count; block += kDenseBackwardRows) {
    const int64_t rows = std::min(kDenseBackwardRows, sizes.count - block);
    for (int64_t row = 0; row < rows; row += kTileRows) {
      dense_tile_gradients(call, b, h, begin, sizes, buffers, block + row, row);
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
  const int64_t key = call.shape.call.key_offsets[b] + begin;
  for (int64_t n = 0; n < std::min(sizes.keys, call.shape.keys(b) - begin); ++n) {
    store_row(buffers.dk + n * width, static_cast<F>(kLn2), call.dk.row(key + n, h * K), K);
    store_row(buffers.dv + n * width, F(1), call.dv.row(key + n, h * K), K);
  }
}

template <class Element>
HWY_INLINE void dense_backward(const DenseBackwardViews<Element>& call, int64_t b, int64_t h,
                               Accumulator<Element>* memory) {
  using F = Accumulator<Element>;
  const DenseShape& shape = call.shape;
  const DenseSizes sizes(shape, b, kDenseChunk);
  Arena<F> arena(memory);
  const DenseBackwardBuffers<F> buffers(sizes, arena);
  pack_dense_queries(call, h, sizes, buffers);
  clear(buffers.dq, sizes.rows * sizes.width);
  for (int64_t begin = 0; begin < shape.keys(b); begin += sizes.keys) {
    dense_backward_chunk(call, b, h, begin, sizes, buffers);
  }
  for (int64_t n = 0; n < sizes.count; ++n) {
    store_row(buffers.dq + n * sizes.width, static_cast<F>(shape.call.scale),
              call.dq.row(sizes.first + n, h * shape.K), shape.K);
  }
}

void dense_forward_f32(const DenseForwardViews<float>& call, int64_t b, int64_t h, float* memory) {
  dense_forward(call, b, h, memory);
}
#if HWY_TARGET == HWY_STATIC_TARGET  // f64 is for checks
void dense_forward_f64(const DenseForwardViews<double>& call, int64_t b, int64_t h, double* memory) {
  dense_forward(call, b, h, memory);
}
#endif
void dense_forward_bf16(const DenseForwardViews<bf16>& call, int64_t b, int64_t h, float* memory) {
  dense_forward(call, b, h, memory);
}
void dense_backward_f32(const DenseBackwardViews<float>& call, int64_t b, int64_t h, float* memory) {
  dense_backward(call, b, h, memory);
}
#if HWY_TARGET == HWY_STATIC_TARGET  // f64 is for checks
void dense_backward_f64(const DenseBackwardViews<double>& call, int64_t b, int64_t h, double* memory) {
  dense_backward(call, b, h, memory);
}
#endif
void dense_backward_bf16(const DenseBackwardViews<bf16>& call, int64_t b, int64_t h, float* memory) {
  dense_backward(call, b, h, memory);
}

}  // namespace HWY_NAMESPACE
}  // namespace lf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lf {
namespace {

HWY_EXPORT(dense_forward_f32);
HWY_EXPORT(dense_forward_bf16);
HWY_EXPORT(dense_backward_f32);
HWY_EXPORT(dense_backward_bf16);

void run(const DenseForwardViews<float>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(dense_forward_f32)(call, b, h, memory);
}
void run(const DenseForwardViews<double>& call, int64_t b, int64_t h, double* memory) {
  HWY_STATIC_DISPATCH(dense_forward_f64)(call, b, h, memory);
}
void run(const DenseForwardViews<bf16>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(dense_forward_bf16)(call, b, h, memory);
}
void run(const DenseBackwardViews<float>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(dense_backward_f32)(call, b, h, memory);
}
void run(const DenseBackwardViews<double>& call, int64_t b, int64_t h, double* memory) {
  HWY_STATIC_DISPATCH(dense_backward_f64)(call, b, h, memory);
}
void run(const DenseBackwardViews<bf16>& call, int64_t b, int64_t h, float* memory) {
  HWY_DYNAMIC_DISPATCH(dense_backward_bf16)(call, b, h, memory);
}

// Runs every (sequence, head), each thread with memory for the largest.
template <class Buffers, class F, class Call>
void run_all(const Call& call, int64_t most_keys) {
  const DenseShape& shape = call.shape;
  const int64_t most = dense_numbers<Buffers, F>(shape, most_keys);
  const ScratchCount counted(scratch_of_threads<F>(most));
  std::vector<hwy::AlignedFreeUniquePtr<F[]>> memory(omp_get_max_threads());
  for (auto& piece : memory) piece = hwy::AllocateAligned<F>(most);
#pragma omp parallel for schedule(dynamic)
  for (int64_t n = 0; n < shape.B * shape.H; ++n) {
    run(call, n / shape.H, n % shape.H, memory[omp_get_thread_num()].get());
  }
}

}  // namespace

namespace kernels::cpu {

void dense_attention(const DenseCall& call, const Tensor& q, const Tensor& k, const Tensor& v,
                     Tensor& context, Tensor& lse) {
  const DenseShape shape(call, context.dim(1), context.dim(2));
  const int64_t width = shape.H * shape.K;
  visit_float(context.dtype(), [&]<class T>() {
    using F = Accumulator<T>;
    const auto view = [&](const Tensor& x) { return token_view<const T>(x, width); };
    const DenseForwardViews<T> views{shape,        view(q), view(k), view(v), token_view<T>(context, width),
                                     lse.data<F>()};
    run_all<DenseForwardBuffers<F>, F>(views, shape.most_keys());
  });
}

void dense_attention_backward(const DenseCall& call, const Tensor& q, const Tensor& k, const Tensor& v,
                              const Tensor& context, const Tensor& lse, const Tensor& dcontext, Tensor& dq,
                              Tensor& dk, Tensor& dv) {
  const DenseShape shape(call, context.dim(1), context.dim(2));
  const int64_t width = shape.H * shape.K;
  visit_float(context.dtype(), [&]<class T>() {
    using F = Accumulator<T>;
    const auto view = [&](const Tensor& x) { return token_view<const T>(x, width); };
    const auto out = [&](const Tensor& x) { return token_view<T>(x, width); };
    const DenseBackwardViews<T> views{shape,         view(q),        view(k), view(v), view(context),
                                      lse.data<F>(), view(dcontext), out(dq), out(dk), out(dv)};
    run_all<DenseBackwardBuffers<F>, F>(views, kDenseChunk);
  });
}

}  // namespace kernels::cpu
}  // namespace lf
#endif
