// The attention contract as three plain loops in double: what every attention kernel is compared with.
// Dense and slow on purpose; it shares nothing with the kernels but the shape struct and the random bits.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/attention/window.h"

namespace lf::oracle {

// All inputs of one call, in double. q, k, v (B, T, H, K); u, v_bias (H, K) and r (rows, H, K) may be empty.
struct AttentionInputs {
  std::vector<double> q, k, v;
  std::vector<double> u, v_bias, r;
  int64_t rows = 0, zero_row = 0;
};

struct AttentionOutputs {
  std::vector<double> context;  // (B, T, H, K)
  std::vector<double> lse;      // (B, H, T); global attention: (N, H)
};

// Same shapes as AttentionInputs.
struct AttentionGradients {
  std::vector<double> dq, dk, dv;
  std::vector<double> du, dv_bias, dr;
};

// True for a token of batch row b that is listed as global, whatever its mask.
bool is_global(const WindowAttentionShape& shape, int64_t b, int64_t token);
// True for a token that is not padded.
bool is_valid(const WindowAttentionShape& shape, int64_t b, int64_t token);

AttentionOutputs oracle_window_forward(const WindowAttentionShape& shape, const AttentionInputs& inputs);
AttentionGradients oracle_window_backward(const WindowAttentionShape& shape, const AttentionInputs& inputs,
                                          const std::vector<double>& dcontext);

// q is (N, H, K). Rows of context that are not global are zero.
AttentionOutputs oracle_global_forward(const WindowAttentionShape& shape, const AttentionInputs& inputs);
AttentionGradients oracle_global_backward(const WindowAttentionShape& shape, const AttentionInputs& inputs,
                                          const std::vector<double>& dcontext);

}  // namespace lf::oracle
