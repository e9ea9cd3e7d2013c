#include "data/sequence_order.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <span>

#include "core/check.h"

namespace lf {
namespace {

// What a random number is for; numbers of different uses are independent.
enum class Use : uint64_t { kOffset = 1, kRound = 2 };

// 64 random bits of (seed, epoch, use, ...): XXH3 is a published function, so an order never changes with the
// compiler or the library's version.
uint64_t random_bits(uint64_t seed, int64_t epoch, Use use, uint64_t round, uint64_t value) {
  const uint64_t words[4] = {static_cast<uint64_t>(epoch), static_cast<uint64_t>(use), round, value};
  return XXH3_64bits_withSeed(words, sizeof(words), seed);
}

}  // namespace

SequenceOrder::SequenceOrder(int64_t num_tokens, int64_t sequence_length, uint64_t seed, int64_t overlap)
    : num_tokens_(num_tokens), sequence_length_(sequence_length), seed_(seed) {
  CHECK(sequence_length >= 1 && overlap >= 0, "training sequences: a sequence length of ", sequence_length,
        " and an overlap of ", overlap, ", needed at least 1 and 0");
  CHECK(num_tokens >= sequence_length + overlap, "training sequences: the stream has ", num_tokens,
        " tokens, a sequence of length ", sequence_length, " needs ", sequence_length, " + ", overlap);
  // As many as fit behind every offset below sequence_length, so that all epochs have the same number; what
  // one epoch leaves out at the ends, another with another offset covers.
  const int64_t begins = num_tokens - overlap + 1;  // where a sequence of one token could begin or end
  sequences_per_epoch_ = std::max<int64_t>(1, (begins - sequence_length) / sequence_length);
  num_offsets_ = std::min(sequence_length, begins - sequences_per_epoch_ * sequence_length);
  const int bits = std::bit_width(static_cast<uint64_t>(sequences_per_epoch_ - 1));
  // Fewer than 4 bits would leave too few distinct permutations.
  half_bits_ = std::max(2, (bits + 1) / 2);
}

int64_t SequenceOrder::epoch(int64_t example) const {
  CHECK(example >= 0, "training sequences: example ", example, " was asked for, the first is 0");
  return example / sequences_per_epoch_;
}

int64_t SequenceOrder::begin(int64_t example) const {
  const int64_t in_epoch = epoch(example);
  const uint64_t bits = random_bits(seed_, in_epoch, Use::kOffset, 0, 0);
  const auto offset = static_cast<int64_t>(bits % static_cast<uint64_t>(num_offsets_));
  return offset + permute(in_epoch, example % sequences_per_epoch_) * sequence_length_;
}

int64_t SequenceOrder::permute(int64_t epoch, int64_t index) const {
  // Six rounds: four already look random to any test we can afford, and the cost is nanoseconds.
  constexpr uint64_t kRounds = 6;
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<uint64_t>(index);
  // Cycle walking: the network permutes a power of four, at most 16 times the count; stepping on until the
  // value falls below the count keeps it a bijection of 0 ... count - 1.
  do {
    uint64_t left = value >> half_bits_;
    uint64_t right = value & mask;
    for (uint64_t round = 0; round < kRounds; ++round) {
      const uint64_t mixed = left ^ (random_bits(seed_, epoch, Use::kRound, round, right) & mask);
      left = right;
      right = mixed;
    }
    value = (left << half_bits_) | right;
  } while (value >= static_cast<uint64_t>(sequences_per_epoch_));
  return static_cast<int64_t>(value);
}

}  // namespace lf
