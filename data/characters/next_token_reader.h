// Batches of next-token prediction: inputs, and the token after each of them.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sequence_order.h"
#include "data/token_file.h"

namespace lf {

// Consecutive examples, row-major.
struct Batch {
  int64_t rows = 0;
  int64_t length = 0;
  std::vector<int32_t> inputs;       // (rows, length)
  std::vector<int32_t> targets;      // (rows, length), the token after each input
  std::vector<int64_t> example_ids;  // (rows) global example indices
};

// Examples first_example ... first_example + rows - 1; throws Error when the order was made for another
// stream.
Batch make_batch(const TokenFile& tokens, const SequenceOrder& order, int64_t first_example, int64_t rows);

}  // namespace lf
