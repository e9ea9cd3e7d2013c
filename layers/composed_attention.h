// The paper's other implementations of window attention (Beltagy et al. 2020, section 3.2 and appendix A),
// composed from plain operations; the fused kernel is autograd's window_attention.
#pragma once

#include "autograd/ops.h"

namespace lf {

// fused: one kernel, O(T window) time and O(T) extra memory. chunks: overlapping blocks, no dilation, about
// twice the ideal memory. loop: one diagonal at a time, dilates, slow. full: all T x T scores.
enum class AttentionImplementation { fused, chunks, loop, full };

// qkv (B, T, 3, H, K) -> context (B, T, H, K); what window_attention computes, by plain operations.
Var composed_attention(AttentionImplementation implementation, const Var& qkv,
                       const AttentionPattern& pattern, const RelativeTerm* relative);

}  // namespace lf
