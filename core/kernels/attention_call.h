// What one attention call computes, apart from its tensors. Batches are ragged: the N tokens of B sequences
// stand one behind the other, sequence b being tokens [offsets[b], offsets[b + 1]).
//   score_ij  = scale * [(q_i + u) . k_j + (q_i + v) . r[zero_row + i - j]]   (u, v, r may be absent)
//   context_i = sum_j keep_ij * P_ij * v_j,   P_i = softmax_j(score_ij)
//
// Keys of a local query i, in one softmax: the in-band keys j = i + D * s, -left <= s <= right, of its
// sequence that are valid and not global, and all valid global keys of its sequence, whose score is
// scale * (q_i + u) . k_j without a relative term. A global query has projections of its own, sees every
// valid key of its sequence, and its context replaces the local one. Letters: B sequences, N tokens in all, T
// tokens of a sequence, H heads, K head width, D the head's dilation.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace lf {

// Global tokens of each sequence of a batch: positions[offsets[b]] ... positions[offsets[b + 1] - 1], counted
// within the sequence, ascending, unique.
struct GlobalTokens {
  std::vector<int64_t> offsets;    // (B + 1)
  std::vector<int64_t> positions;  // (M)
};

namespace kernels {

struct AttentionCall {
  std::vector<int64_t> offsets;     // (B + 1), from 0 to N
  int64_t left = 0, right = 0;      // keys on each side, in steps of the head's dilation; right = 0: causal
  std::vector<int32_t> dilation{};  // (H), each >= 1; empty: all 1
  double scale = 1.0;               // multiplies every score, usually 1 / sqrt(K)
  // (N) u8 in CPU memory, 1 = valid; undefined: all are. A padded token is no key, its context is 0; as a
  // global token it counts as padded.
  Tensor mask{};
  std::shared_ptr<const GlobalTokens> globals{};  // null: none

  // Dropout of P: the decision for (b, h, i, j), i and j counted within the sequence, is that of element
  // (((first_row + b) * H + h) * total + first_token + i) * total + first_token + j of the key's stream,
  // where total is total_tokens or, if that is 0, the length of the longest sequence. So a slice of the batch
  // or of its sequences draws the bits of the whole.
  Dropout dropout{};
  int64_t first_row = 0, first_token = 0, total_tokens = 0;
  // (M) where the global tokens stand in the whole sequence, for dropout, if a slice brings them along from
  // elsewhere; empty: first_token + their position.
  std::vector<int64_t> global_places{};

  // Only tokens [query_begin, query_end) of each sequence are queries (query_end < 0: all); the others are
  // keys alone, like the halo that sequence parallelism receives from a neighbour. Their context is 0, and so
  // is their dq.
  int64_t query_begin = 0, query_end = -1;

  // All that decides how long it takes.
  void describe(std::ostream& out) const;

  int64_t sequences() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t tokens() const { return offsets.back(); }
  int64_t begin(int64_t b) const { return offsets[static_cast<size_t>(b)]; }
  int64_t length(int64_t b) const { return begin(b + 1) - begin(b); }
  int64_t longest() const;  // 0 of no sequence
  int64_t global_tokens() const { return globals ? static_cast<int64_t>(globals->positions.size()) : 0; }
};

// Dense attention: M queries and N keys of B sequences, each by offsets of its own. A query sees every valid
// key of its sequence or, if causal, those up to its own position.
//   P_i = softmax_j(scale q_i . k_j),  context_i = sum_j keep_ij P_ij v_j
// The global tokens of a batch, a decoder's attention to itself (causal) and to an encoder are cases of it.
struct DenseCall {
  std::vector<int64_t> query_offsets, key_offsets;  // (B + 1), from 0 to M and to N
  // (M) where a query stands among its sequence's keys; -1: padded, its context is 0. Empty: 0, 1, ... in
  // every sequence. Causal: they ascend.
  std::vector<int64_t> positions{};
  bool causal = false;
  double scale = 1.0;
  Tensor mask{};  // (N) u8 in CPU memory, 1 = a valid key; undefined: all are

  // Dropout of P: the decision for (b, h, i, j), i a query's position, is that of element
  // (((first_row + b) * H + h) * total_queries + i) * total_keys + first_key + j; 0: of the longest sequence.
  // So a slice of the keys draws the bits of the whole.
  Dropout dropout{};
  int64_t first_row = 0, first_key = 0, total_queries = 0, total_keys = 0;

  // All that decides how long it takes.
  void describe(std::ostream& out) const;
};

// What the global tokens of a call compute, with projections of their own.
DenseCall global_queries(const AttentionCall& call);

// The offsets of B sequences of T tokens each.
std::vector<int64_t> equal_offsets(int64_t B, int64_t T);

// Queries, keys and values: one (N,3,H,K) in `packed`, or three (N,H,K), `packed` being undefined.
struct TokenTensors {
  Tensor packed{}, q{}, k{}, v{};

  void visit(auto&& f) {
    for (Tensor* x : {&packed, &q, &k, &v}) f(*x);
  }
};

// Transformer-XL's relative positions, or their gradients; all undefined: none. r has one row per distance
// i - j in tokens: distance d is row zero_row + d. All distances that the window can reach inside a sequence
// must exist. Causal: zero_row = 0.
struct RelativeTensors {
  Tensor u{}, v{};  // (H,K) f32 (f64 for f64): content bias, position bias
  Tensor r{};       // (rows,H,K)
  int64_t zero_row = 0;

  void visit(auto&& f) {
    for (Tensor* x : {&u, &v, &r}) f(*x);
  }
};

// Throws Error naming `who` unless the call is sound and fits heads of this width and dtype and the relative
// positions.
void check_attention(const char* who, const AttentionCall& call, int64_t H, int64_t K, DType dtype,
                     const RelativeTensors& relative);

}  // namespace kernels
}  // namespace lf
