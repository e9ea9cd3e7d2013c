#include "data/documents/masked_reader.h"

#include <span>

#include "core/check.h"

namespace lf {
namespace {

// Rows whose text begins at begin_of(example) and whose masks are those of key_of(example).
template <class BeginOf, class KeyOf>
MaskedBatch masked_batch(const DocumentBlocks& blocks, const Masking& masking, int64_t first, int64_t rows,
                         BeginOf&& begin_of, KeyOf&& key_of) {
  CHECK(rows >= 1, "masked batch: ", rows, " rows, needed at least 1");
  MaskedBatch batch;
  batch.rows = rows;
  batch.length = blocks.length();
  const auto length = static_cast<size_t>(batch.length);
  batch.inputs.resize(static_cast<size_t>(rows) * length);
  batch.targets.resize(batch.inputs.size());
  for (int64_t row = 0; row < rows; ++row) {
    const auto at = static_cast<size_t>(row) * length;
    const std::span<int32_t> inputs(batch.inputs.data() + at, length);
    blocks.copy_from(begin_of(first + row), inputs);
    mask_tokens(inputs, {batch.targets.data() + at, length}, blocks.special(),
                blocks.tokens().vocabulary_size(), masking, key_of(first + row));
    batch.example_ids.push_back(first + row);
  }
  return batch;
}

}  // namespace

MaskedBatch make_masked_batch(const DocumentBlocks& blocks, const Masking& masking, uint64_t seed,
                              int64_t first_example, int64_t rows) {
  const SequenceOrder order = blocks.order(seed);
  return masked_batch(
      blocks, masking, first_example, rows, [&](int64_t example) { return order.begin(example); },
      [&](int64_t example) {
        return MaskingKey{.seed = seed, .epoch = order.epoch(example), .example = example};
      });
}

MaskedBatch make_evaluation_batch(const DocumentBlocks& blocks, const Masking& masking, int64_t first_block,
                                  int64_t rows) {
  CHECK(first_block >= 0 && rows <= blocks.count() && first_block <= blocks.count() - rows,
        blocks.tokens().path(), ": blocks ", first_block, " to ", first_block + rows,
        " were asked for, there are ", blocks.count());
  return masked_batch(
      blocks, masking, first_block, rows, [&](int64_t block) { return block * blocks.text_length(); },
      evaluation_masking_key);
}

}  // namespace lf
