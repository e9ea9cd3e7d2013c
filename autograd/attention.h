// What attention operations demand of their inputs.
#pragma once

#include "autograd/attention_pattern.h"

namespace lf {

// Throws Error naming `who` unless the pattern and the relative term (null: none) fit qkv (B, T, 3, H, K), or
// (N, 3, H, K) where the pattern has offsets.
void check_attention(const char* who, const Var& qkv, const AttentionPattern& pattern,
                     const RelativeTerm* relative);

// Memory for lse and the like of x: f32 (f64 for f64).
Tensor sums_like(const Shape& shape, const Tensor& x);
kernels::RelativeTensors tensors_of(const RelativeTerm* term);

}  // namespace lf
