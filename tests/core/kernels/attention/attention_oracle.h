// The attention contract as three plain loops in double: what every attention kernel is compared with.
// Dense and slow on purpose; it shares nothing with the kernels but the description of the call and the
// random bits.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/kernels/attention_call.h"

namespace lf::oracle {

// A call with the sizes that tensors would add.
struct CallShape : kernels::AttentionCall {
  int64_t H = 0, K = 0;
};

// All inputs of one call, in double. q, k, v (N, H, K); u, v_bias (H, K) and r (rows, H, K) may be empty.
struct AttentionInputs {
  std::vector<double> q, k, v;
  std::vector<double> u, v_bias, r;
  int64_t rows = 0, zero_row = 0;
};

struct AttentionOutputs {
  std::vector<double> context;  // (N, H, K)
  std::vector<double> lse;      // (H, N); global attention: (M, H)
};

// Same shapes as AttentionInputs.
struct AttentionGradients {
  std::vector<double> dq, dk, dv;
  std::vector<double> du, dv_bias, dr;
};

// True for a token of sequence b that is listed as global, whatever its mask.
bool is_global(const CallShape& shape, int64_t b, int64_t token);
// True for a token that is not padded.
bool is_valid(const CallShape& shape, int64_t b, int64_t token);
// Where dropout counts token j of sequence b, which a slice may have brought along from elsewhere.
int64_t place_in_whole(const CallShape& shape, int64_t b, int64_t token);
// The same as is_global() of a row of the tensors.
bool is_global_row(const CallShape& shape, int64_t row);

AttentionOutputs oracle_window_forward(const CallShape& shape, const AttentionInputs& inputs);
AttentionGradients oracle_window_backward(const CallShape& shape, const AttentionInputs& inputs,
                                          const std::vector<double>& dcontext);

// q is (M, H, K). Rows of context that are not global are zero.
AttentionOutputs oracle_global_forward(const CallShape& shape, const AttentionInputs& inputs);
AttentionGradients oracle_global_backward(const CallShape& shape, const AttentionInputs& inputs,
                                          const std::vector<double>& dcontext);

// q, context (M, H, K), k, v (N, H, K), lse (M, H).
AttentionOutputs oracle_dense_forward(const kernels::DenseCall& call, int64_t H, int64_t K,
                                      const AttentionInputs& inputs);
AttentionGradients oracle_dense_backward(const kernels::DenseCall& call, int64_t H, int64_t K,
                                         const AttentionInputs& inputs, const std::vector<double>& dcontext);

struct Expected {
  AttentionOutputs outputs;
  AttentionGradients gradients;
};

// What `work_out` says of the case with this name, worked out once for all instruction sets: three loops take
// longer than all kernels. Each place that calls this has names of its own.
template <class F>
const Expected& expected_once(const std::string& name, F&& work_out) {
  static std::map<std::string, Expected> all;
  const auto found = all.find(name);
  return found != all.end() ? found->second : all.emplace(name, work_out()).first->second;
}

}  // namespace lf::oracle
