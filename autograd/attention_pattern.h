// What an attention operation attends to: the window, dilations, padding, global tokens and relative
// positions. The contract (Beltagy et al. 2020, section 3): a local query sees, in one joint softmax, the
// valid global keys and the valid in-band keys that are not global. A padded query's context is zero.
#pragma once

#include <memory>
#include <vector>

#include "autograd/tape.h"
#include "core/random.h"

namespace lf {

// Global tokens of each row of a batch: positions[offsets[b]] ... positions[offsets[b + 1] - 1], ascending,
// unique.
struct GlobalTokens {
  std::vector<int64_t> offsets;    // (B + 1)
  std::vector<int64_t> positions;  // (N)
};

struct AttentionPattern {
  int64_t left = 0, right = 0;    // keys on each side, in steps of the head's dilation; right = 0: causal
  std::vector<int32_t> dilation;  // (H), 1 = none; empty: all 1
  Tensor key_mask;                // (B, T) u8, 1 = a real token; undefined: all are
  std::shared_ptr<const GlobalTokens> global_tokens;  // null: none
  Dropout dropout;                                    // of the probabilities
};

// Transformer-XL's relative term (Dai et al. 2019, section 3.3): score = ((q + u).k + (q + v).r[distance]) /
// sqrt(K). Row zero_row + d of r belongs to distance d = i - j in tokens; causal: zero_row = 0.
struct RelativeTerm {
  Var u, v;  // (H, K)
  Var r;     // (distances, H, K)
  int64_t zero_row = 0;
};

}  // namespace lf
