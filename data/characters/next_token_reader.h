// Batches of next-token prediction: inputs, and the token after each of them.
#pragma once

#include <cstdint>
#include <vector>

#include "data/prefetching.h"
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

// Batches of next-token prediction read ahead on another thread; see Prefetching for first_example, rows and
// stride.
class PrefetchingReader {
 public:
  // The token file must outlive the reader.
  PrefetchingReader(const TokenFile& tokens, const SequenceOrder& order, int64_t first_example, int64_t rows,
                    int64_t stride);

  // The next batch; an error met while reading it is thrown here.
  Batch next() { return batches_.next(); }
  // Seconds that next() has spent waiting for data so far.
  double wait_seconds() const { return batches_.wait_seconds(); }

 private:
  Prefetching<Batch> batches_;
};

}  // namespace lf
