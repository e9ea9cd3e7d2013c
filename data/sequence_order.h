// Training sequences of a token stream: which tokens make up example number i, as a pure function of (seed,
// epoch, i), see example_order.h.
#pragma once

#include <cstdint>

#include "data/example_order.h"

namespace lf {

// The order of a token stream's training sequences. Each epoch cuts the stream, from an offset of its own,
// into consecutive sequences of sequence_length + overlap tokens. An overlap of 1 gives inputs and next-token
// targets, 0 gives sequences that share nothing.
class SequenceOrder {
 public:
  // Throws Error when num_tokens < sequence_length + overlap.
  SequenceOrder(int64_t num_tokens, int64_t sequence_length, uint64_t seed, int64_t overlap = 1);

  int64_t num_tokens() const { return num_tokens_; }
  int64_t sequence_length() const { return sequence_length_; }
  int64_t sequences_per_epoch() const { return permutation_.count(); }
  // The epoch that a global example index, 0, 1, 2, ... over all epochs, belongs to.
  int64_t epoch(int64_t example) const { return permutation_.epoch(example); }
  // Where the example's tokens begin in the stream.
  int64_t begin(int64_t example) const;

 private:
  int64_t num_tokens_;
  int64_t sequence_length_;
  uint64_t seed_;
  Permutation permutation_;
  int64_t num_offsets_;  // an epoch's first sequence begins at one of 0 ... num_offsets_ - 1
};

}  // namespace lf
