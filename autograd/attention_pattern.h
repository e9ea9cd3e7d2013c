// What an attention operation attends to: the window, dilations, padding, global tokens and relative
// positions. The contract (Beltagy et al. 2020, section 3): a local query sees, in one joint softmax, the
// valid global keys and the valid in-band keys that are not global. A padded query's context is zero.
#pragma once

#include <memory>
#include <vector>

#include "autograd/tape.h"
#include "core/kernels/attention_call.h"
#include "core/random.h"

namespace lf {

struct SequenceSlices;  // autograd/sequence_slices.h

struct AttentionPattern {
  int64_t left = 0, right = 0;    // keys on each side, in steps of the head's dilation; right = 0: causal
  std::vector<int32_t> dilation;  // (H), 1 = none; empty: all 1
  Tensor key_mask;                // (B, T) or (N) u8, 1 = a real token; undefined: all are
  std::shared_ptr<const GlobalTokens> global_tokens;  // null: none
  Dropout dropout;                                    // of the probabilities
  // Where the sequences of a ragged batch begin, and where the last one ends (B + 1): its tensors are (N,
  // ...), the tokens of all sequences one behind the other. Empty: B sequences of equal length, (B, T, ...).
  std::vector<int64_t> offsets{};
  // Where the sequences are cut over ranks: all of the above is of this rank's slices, but the global tokens,
  // which are the whole sequences'. Null: this rank has them whole.
  std::shared_ptr<const SequenceSlices> slices{};
};

// What dense attention attends to; M queries and N keys of B sequences, each by offsets (B + 1) of its own.
struct DensePattern {
  std::vector<int64_t> query_offsets, key_offsets;
  // (M) where a query stands among its sequence's keys, -1: padded, its context is zero. Empty: 0, 1, ...
  std::vector<int64_t> positions{};
  bool causal = false;  // keys up to the query's position only, which then ascend
  Tensor key_mask{};    // (N) u8, 1 = a real token; undefined: all are
  Dropout dropout{};    // of the probabilities
};

// Transformer-XL's relative term (Dai et al. 2019, section 3.3): score = ((q + u).k + (q + v).r[distance]) /
// sqrt(K). Row zero_row + d of r belongs to distance d = i - j in tokens; causal: zero_row = 0.
struct RelativeTerm {
  Var u, v;  // (H, K)
  Var r;     // (distances, H, K)
  int64_t zero_row = 0;
};

}  // namespace lf
