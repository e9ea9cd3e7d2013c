#include "data/example_order.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "core/check.h"

namespace lf {

// XXH3 is a published function, so an order never changes with the compiler or the library's version.
uint64_t order_bits(uint64_t seed, int64_t epoch, OrderUse use, uint64_t round, uint64_t value) {
  const uint64_t words[4] = {static_cast<uint64_t>(epoch), static_cast<uint64_t>(use), round, value};
  return XXH3_64bits_withSeed(words, sizeof(words), seed);
}

Permutation::Permutation(int64_t count, uint64_t seed) : count_(count), seed_(seed) {
  CHECK(count >= 1, "order of examples: ", count, " examples, needed at least 1");
  const int bits = std::bit_width(static_cast<uint64_t>(count - 1));
  // Fewer than 4 bits would leave too few distinct permutations.
  half_bits_ = std::max(2, (bits + 1) / 2);
}

int64_t Permutation::epoch(int64_t position) const {
  CHECK(position >= 0, "order of examples: example ", position, " was asked for, the first is 0");
  return position / count_;
}

int64_t Permutation::in_epoch(int64_t epoch, int64_t index) const {
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
      const uint64_t mixed = left ^ (order_bits(seed_, epoch, OrderUse::round, round, right) & mask);
      left = right;
      right = mixed;
    }
    value = (left << half_bits_) | right;
  } while (value >= static_cast<uint64_t>(count_));
  return static_cast<int64_t>(value);
}

}  // namespace lf
