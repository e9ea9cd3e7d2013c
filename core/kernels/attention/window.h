// Sliding-window attention on the CPU, forward and backward, fused: O(T * window) time, O(T) extra memory.
//   score_ij  = scale * [(q_i + u) . k_j + (q_i + v) . r[zero_row + i - j]]   (u, v, r may be absent)
//   context_i = sum_j keep_ij * P_ij * v_j,   P_i = softmax_j(score_ij)
//
// Keys of a local query i, in one softmax: the in-band keys j = i + D * s, -left <= s <= right, that are
// valid and not global, and all valid global keys, whose score is scale * (q_i + u) . k_j without a
// relative term. Letters: B batch, T tokens, H heads, K head width, D the head's dilation.
#pragma once

#include <cstdint>
#include <vector>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/random.h"

namespace lf {

// A (B, T, H, K) tensor, possibly a slice of a wider one such as a fused (B, T, 3, H, K) projection:
// element (b, t, h, k) is data[b * batch_stride + t * token_stride + h * K + k]. Strides count elements.
template <class Element>
struct TokenView {
  Element* data = nullptr;
  int64_t batch_stride = 0;
  int64_t token_stride = 0;

  LF_HOST_DEVICE Element* row(int64_t b, int64_t t, int64_t head_offset) const {
    return data + b * batch_stride + t * token_stride + head_offset;
  }
};

// The view of a contiguous (B, T, H, K) tensor.
template <class Element>
TokenView<Element> contiguous_view(Element* data, int64_t T, int64_t H, int64_t K) {
  return {data, T * H * K, H * K};
}

// What one attention call computes, apart from its tensors. Pointers are borrowed for the length of the call.
struct WindowAttentionShape {
  int64_t B = 0, T = 0, H = 0, K = 0;
  int64_t left = 0,
          right = 0;  // keys on each side, in steps of the head's dilation; right = 0: causal; any size
  std::vector<int32_t> dilation;  // (H), each >= 1; empty: all 1
  double scale = 1.0;             // multiplies every score, usually 1 / sqrt(K)

  const uint8_t* key_mask =
      nullptr;  // (B, T), 1 = valid; null: all valid. A padded token is no key, its context is 0.
  // Global tokens of batch row b: global_positions[global_offsets[b] .. global_offsets[b + 1]), ascending,
  // unique. A padded global token counts as padded.
  const int64_t* global_offsets = nullptr;  // (B + 1); null: none
  const int64_t* global_positions = nullptr;

  // Dropout of P: the decision for (b, h, i, j) is that of element
  // (((first_row + b) * H + h) * total + first_token + i) * total + first_token + j of the key's stream,
  // where total is total_tokens or, if that is 0, T. So a slice of the batch or of the sequence draws the
  // bits of the whole.
  Dropout dropout;
  int64_t first_row = 0, first_token = 0, total_tokens = 0;

  // Only rows [query_begin, query_end) are queries (query_end < 0: T); the others are keys alone, like the
  // halo that sequence parallelism receives from a neighbour. Their context is 0, and so is their dq.
  int64_t query_begin = 0, query_end = -1;
};

// Transformer-XL relative positions. r has one row per distance i - j in tokens: distance d is row zero_row +
// d. All distances the window can reach inside T tokens must exist: zero_row >= min(right * max_dilation, T -
// 1) and rows > zero_row + min(left * max_dilation, T - 1). Causal: zero_row = 0.
template <class Element>
struct RelativePositions {
  const Accumulator<Element>* u = nullptr;  // (H, K) content bias
  const Accumulator<Element>* v = nullptr;  // (H, K) position bias
  const Element* r = nullptr;               // (rows, H, K) contiguous
  int64_t rows = 0;
  int64_t zero_row = 0;
};

// Where backward writes the gradients of RelativePositions: du, dv (H, K), dr (rows, H, K); all are
// overwritten.
template <class Element>
struct RelativeGradients {
  Accumulator<Element>* du = nullptr;
  Accumulator<Element>* dv = nullptr;
  Element* dr = nullptr;
};

// Writes every row of context (zero for padded and for global queries) and lse (B, H, T), the natural
// logarithm of each row's sum of exp(score) before dropout; -inf where a row has no valid key, is padded,
// global, or not a query. Element is float, double or bf16 (all arithmetic is in Accumulator<Element>).
// relative: null for none.
template <class Element>
void window_attention_forward(const WindowAttentionShape& shape, TokenView<const Element> q,
                              TokenView<const Element> k, TokenView<const Element> v,
                              const RelativePositions<Element>* relative, TokenView<Element> context,
                              Accumulator<Element>* lse);

// Overwrites dq, dk, dv (and the relative gradients) with the gradients of <dcontext, context>. context and
// lse are those forward wrote; rows of context that the global path overwrote afterwards may hold anything,
// they are not read. dcontext of global, padded and non-query rows is ignored. Bits do not depend on the
// number of threads.
template <class Element>
void window_attention_backward(const WindowAttentionShape& shape, TokenView<const Element> q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               const RelativePositions<Element>* relative, TokenView<const Element> context,
                               const Accumulator<Element>* lse, TokenView<const Element> dcontext,
                               TokenView<Element> dq, TokenView<Element> dk, TokenView<Element> dv,
                               const RelativeGradients<Element>* relative_gradients);

// The same on the device: tensors (also those inside `relative` and `relative_gradients`) are in its memory,
// what the shape points to is in the CPU's. Bits do not depend on the device.
namespace kernels::cuda {

template <class Element>
void window_attention_forward(const WindowAttentionShape& shape, TokenView<const Element> q,
                              TokenView<const Element> k, TokenView<const Element> v,
                              const RelativePositions<Element>* relative, TokenView<Element> context,
                              Accumulator<Element>* lse);
template <class Element>
void window_attention_backward(const WindowAttentionShape& shape, TokenView<const Element> q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               const RelativePositions<Element>* relative, TokenView<const Element> context,
                               const Accumulator<Element>* lse, TokenView<const Element> dcontext,
                               TokenView<Element> dq, TokenView<Element> dk, TokenView<Element> dv,
                               const RelativeGradients<Element>* relative_gradients);

}  // namespace kernels::cuda
}  // namespace lf
