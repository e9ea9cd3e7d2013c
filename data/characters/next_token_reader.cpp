#include "data/characters/next_token_reader.h"

#include <cstddef>

#include "core/check.h"

namespace lf {

Batch make_batch(const TokenFile& tokens, const SequenceOrder& order, int64_t first_example, int64_t rows) {
  CHECK(tokens.count() == order.num_tokens(), tokens.path(), ": has ", tokens.count(),
        " tokens, the order of examples was made for ", order.num_tokens());
  CHECK(rows >= 1, "make_batch: ", rows, " rows, needed at least 1");
  Batch batch;
  batch.rows = rows;
  batch.length = order.sequence_length();
  const auto length = static_cast<size_t>(batch.length);
  std::vector<int32_t> sequence(length + 1);
  for (int64_t row = 0; row < rows; ++row) {
    tokens.copy(order.begin(first_example + row), sequence);
    batch.inputs.insert(batch.inputs.end(), sequence.begin(), sequence.end() - 1);
    batch.targets.insert(batch.targets.end(), sequence.begin() + 1, sequence.end());
    batch.example_ids.push_back(first_example + row);
  }
  return batch;
}

}  // namespace lf
