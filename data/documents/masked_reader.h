// Batches for masked language models: blocks of documents with their masks, for training (shuffled, masked
// anew in every epoch) and for evaluation (in order, always the same masks).
#pragma once

#include <cstdint>
#include <vector>

#include "data/documents/blocks.h"
#include "data/documents/masking.h"

namespace lf {

// Consecutive examples, row-major.
struct MaskedBatch {
  int64_t rows = 0;
  int64_t length = 0;
  std::vector<int32_t> inputs;       // (rows, length), masked
  std::vector<int32_t> targets;      // (rows, length), the original id where it counts, else kIgnoredTarget
  std::vector<int64_t> example_ids;  // (rows) global example indices
};

// Training examples first_example ... first_example + rows - 1 of the blocks in the order of `seed`.
MaskedBatch make_masked_batch(const DocumentBlocks& blocks, const Masking& masking, uint64_t seed,
                              int64_t first_example, int64_t rows);

// Blocks first_block ... first_block + rows - 1 of the stream as every evaluation sees them; throws Error
// when they are not all among blocks.count().
MaskedBatch make_evaluation_batch(const DocumentBlocks& blocks, const Masking& masking, int64_t first_block,
                                  int64_t rows);

}  // namespace lf
