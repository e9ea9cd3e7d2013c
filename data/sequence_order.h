// Training sequences: which tokens make up example number i, as a pure function of (seed, epoch, i), so that
// the order never depends on batch size, accumulation, rank count or where a run was interrupted. No shuffle
// array: an epoch's order is a keyed bijection (a Feistel network) of 0 ... sequences_per_epoch() - 1.
#pragma once

#include <cstdint>

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
  int64_t sequences_per_epoch() const { return sequences_per_epoch_; }
  // The epoch that a global example index, 0, 1, 2, ... over all epochs, belongs to.
  int64_t epoch(int64_t example) const;
  // Where the example's tokens begin in the stream.
  int64_t begin(int64_t example) const;

 private:
  int64_t permute(int64_t epoch, int64_t index) const;

  int64_t num_tokens_;
  int64_t sequence_length_;
  uint64_t seed_;
  int64_t sequences_per_epoch_;
  int64_t num_offsets_;  // an epoch's first sequence begins at one of 0 ... num_offsets_ - 1
  int half_bits_;        // the Feistel network permutes 2 * half_bits_ bits
};

}  // namespace lf
