#include "data/sequence_order.h"

#include <algorithm>

#include "core/check.h"

namespace lf {
namespace {

// As many as fit behind every offset below sequence_length, so that all epochs have the same number; what
// one epoch leaves out at the ends, another with another offset covers.
int64_t sequences_of(int64_t num_tokens, int64_t sequence_length, int64_t overlap) {
  CHECK(sequence_length >= 1 && overlap >= 0, "training sequences: a sequence length of ", sequence_length,
        " and an overlap of ", overlap, ", needed at least 1 and 0");
  CHECK(num_tokens >= sequence_length + overlap, "training sequences: the stream has ", num_tokens,
        " tokens, a sequence of length ", sequence_length, " needs ", sequence_length, " + ", overlap);
  return std::max<int64_t>(1, (num_tokens - overlap + 1 - sequence_length) / sequence_length);
}

}  // namespace

SequenceOrder::SequenceOrder(int64_t num_tokens, int64_t sequence_length, uint64_t seed, int64_t overlap)
    : num_tokens_(num_tokens),
      sequence_length_(sequence_length),
      seed_(seed),
      permutation_(sequences_of(num_tokens, sequence_length, overlap), seed) {
  const int64_t begins = num_tokens - overlap + 1;  // where a sequence of one token could begin or end
  num_offsets_ = std::min(sequence_length, begins - sequences_per_epoch() * sequence_length);
}

int64_t SequenceOrder::begin(int64_t example) const {
  const int64_t in_epoch = epoch(example);
  const uint64_t bits = order_bits(seed_, in_epoch, OrderUse::offset, 0, 0);
  const auto offset = static_cast<int64_t>(bits % static_cast<uint64_t>(num_offsets_));
  return offset + permutation_.at(example) * sequence_length_;
}

}  // namespace lf
