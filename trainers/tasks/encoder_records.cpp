#include "trainers/tasks/encoder_records.h"

#include <algorithm>
#include <iterator>
#include <memory>

namespace lf {

bool any_text(const std::vector<Record>& records) {
  return std::any_of(records.begin(), records.end(), [](const Record& r) { return r.text.has_value(); });
}

void tokenize(std::vector<Record>& records, const ByteLevelTokenizer& tokenizer) {
  for (Record& record : records) {
    if (!record.text) continue;
    record.ids = tokenizer.encode(*record.text);
    record.rows = 1;
    record.length = std::ssize(record.ids);
  }
}

EncoderInput encoder_input(const Record& record) {
  const Shape shape{record.rows, record.length};
  EncoderInput input{.ids = Tensor::from(shape, record.ids), .mask = {}, .global_tokens = nullptr};
  if (!record.mask.empty()) input.mask = Tensor::from(shape, record.mask);
  if (record.global.empty()) return input;
  auto tokens = std::make_shared<GlobalTokens>();
  for (size_t row = 0; row < record.global.size(); ++row) {
    tokens->offsets.push_back(std::ssize(tokens->positions));
    for (const int64_t position : record.global[row]) {
      const size_t at = row * static_cast<size_t>(record.length) + static_cast<size_t>(position);
      if (record.mask.empty() || record.mask[at] != 0) tokens->positions.push_back(position);
    }
  }
  tokens->offsets.push_back(std::ssize(tokens->positions));
  input.global_tokens = tokens;
  return input;
}

}  // namespace lf
