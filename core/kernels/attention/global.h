// Dense attention of the global tokens on the CPU: global query g at position p of batch row b attends to
// every valid key of its row with its own projections, and its context replaces row p of the window
// attention's context.
#pragma once

#include "core/kernels/attention/window.h"

namespace lf {

// N = global_offsets[B] global tokens in all. q is (N, H, K) contiguous in the order of global_positions; k,
// v are the (B, T, H, K) global projections. Overwrites the global rows of context (zero for a padded global
// token) and lse (N, H): the logarithm of the row's sum of exp(score) before dropout, -inf for padded tokens.
// Reads of the shape: B, T, H, K, scale, key_mask, the global lists and the dropout, whose decisions are
// those of window.h for (b,h,i,j).
template <class Element>
void global_attention_forward(const WindowAttentionShape& shape, const Element* q, TokenView<const Element> k,
                              TokenView<const Element> v, TokenView<Element> context,
                              Accumulator<Element>* lse);

// Overwrites dq (N, H, K) and all rows of dk, dv (B, T, H, K); reads only the global rows of context and
// dcontext.
template <class Element>
void global_attention_backward(const WindowAttentionShape& shape, const Element* q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               TokenView<const Element> context, const Accumulator<Element>* lse,
                               TokenView<const Element> dcontext, Element* dq, TokenView<Element> dk,
                               TokenView<Element> dv);

// The same on the device, see window.h.
namespace kernels::cuda {

template <class Element>
void global_attention_forward(const WindowAttentionShape& shape, const Element* q, TokenView<const Element> k,
                              TokenView<const Element> v, TokenView<Element> context,
                              Accumulator<Element>* lse);
template <class Element>
void global_attention_backward(const WindowAttentionShape& shape, const Element* q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               TokenView<const Element> context, const Accumulator<Element>* lse,
                               TokenView<const Element> dcontext, Element* dq, TokenView<Element> dk,
                               TokenView<Element> dv);

// Zeroes the rows of x (B, T, H, K) that belong to global tokens, padded ones among them.
template <class Element>
void clear_global_rows(const WindowAttentionShape& shape, TokenView<Element> x);

}  // namespace kernels::cuda
}  // namespace lf
