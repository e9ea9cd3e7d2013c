// Attention of sequences that are cut over ranks. Each rank computes the contexts of its slices' tokens from
// the keys and values of these, of as many neighbours as the window reaches, and of the few global tokens:
//   [halo on the left | slice | halo on the right | global tokens]   of every sequence.
// In a pass of window attention a rank sends a halo's and its global tokens' keys and values to each of those
// that need them, in its backward their gradients; global attention sends its few queries to all ranks and
// partial contexts back. None of that grows with the length of the sequences. R ranks that hold slices of B
// sequences, none shorter than the W tokens that a window reaches on both sides together, M global tokens in
// all, numbers of E bytes and lse of L, send in a layer, forward and backward,
//   (R - 1) (B W + M) 4 H K E   and for global attention   (R - 1) M (5 H K E + 2 H L)
// bytes all together; with a mask one more for each row of both, forward.
#pragma once

#include <memory>
#include <vector>

#include "autograd/attention_pattern.h"
#include "autograd/sequence_slices.h"
#include "core/kernels/attention_call.h"

namespace lf {

// As window_attention() of the whole sequences: inputs are qkv (..., 3, H, K), or q, k and v (..., H, K), of
// this rank's tokens; `shape`, that of the context, is (..., H, K). The call is that of the slices, but for
// its global tokens, which are all of the whole sequences. All ranks have a mask or none.
Var sliced_window_attention(const std::vector<Var>& inputs, const Shape& shape,
                            const kernels::AttentionCall& call,
                            const std::shared_ptr<const SequenceSlices>& slices, const RelativeTerm* term);

// As global_attention() of the whole sequences: q (M, H, K) is that of the global tokens in this rank's
// slices, the rest is of its tokens (..., H, K).
Var sliced_global_attention(const Var& context, const Var& q, const Var& k, const Var& v,
                            const kernels::AttentionCall& call,
                            const std::shared_ptr<const SequenceSlices>& slices);

}  // namespace lf
