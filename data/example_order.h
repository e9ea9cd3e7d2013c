// The order of examples within an epoch, as a pure function of (seed, epoch, position): never of batch size,
// accumulation, rank count or of where a run was interrupted. No shuffled list: an epoch's order is a keyed
// bijection (a Feistel network) of 0 ... count - 1.
#pragma once

#include <cstdint>

namespace lf {

class Permutation {
 public:
  // Of `count` examples, at least one.
  Permutation(int64_t count, uint64_t seed);

  int64_t count() const { return count_; }
  // The epoch that a global position, 0, 1, 2, ... over all epochs, belongs to.
  int64_t epoch(int64_t position) const;
  // Which example stands at a global position.
  int64_t at(int64_t position) const { return in_epoch(epoch(position), position % count_); }
  // Which example stands at place `index` of an epoch.
  int64_t in_epoch(int64_t epoch, int64_t index) const;

 private:
  int64_t count_;
  uint64_t seed_;
  int half_bits_;  // the network permutes 2 * half_bits_ bits
};

// What a random number of an order is for; numbers of different uses are independent.
enum class OrderUse : uint64_t { offset = 1, round = 2 };

// 64 random bits of (seed, epoch, use, ...).
uint64_t order_bits(uint64_t seed, int64_t epoch, OrderUse use, uint64_t round, uint64_t value);

}  // namespace lf
