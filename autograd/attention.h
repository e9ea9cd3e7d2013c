// What attention operations demand of their inputs.
#pragma once

#include "autograd/attention_pattern.h"

namespace lf {

// Throws Error naming `who` unless the pattern and the relative term (null: none) fit qkv (B, T, 3, H, K), or
// (N, 3, H, K) where the pattern has offsets.
void check_attention(const char* who, const Var& qkv, const AttentionPattern& pattern,
                     const RelativeTerm* relative);

}  // namespace lf
