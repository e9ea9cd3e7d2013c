// The paper's other implementations of window attention (Beltagy et al. 2020, section 3.2 and appendix A),
// composed from plain operations; the fused kernel is autograd's window_attention.
#pragma once

#include "autograd/ops.h"
#include "layers/attention_implementation.h"

namespace lf {

// qkv (B, T, 3, H, K) -> context (B, T, H, K); what window_attention computes, by plain operations.
Var composed_attention(AttentionImplementation implementation, const Var& qkv,
                       const AttentionPattern& pattern, const RelativeTerm* relative);

}  // namespace lf
