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

int64_t tokens_of(const Record& record) { return record.rows * record.length; }

int64_t tokens_of(std::span<const Record> records) {
  int64_t tokens = 0;
  for (const Record& record : records) tokens += tokens_of(record);
  return tokens;
}

void warn_of_empty(const std::vector<Record>& records, PredictionSink& sink) {
  for (const Record& record : records) {
    if (record.text && record.text->find_first_not_of(" \t\r\n") == std::string::npos)
      sink.note("warning: " + record.where + ": an empty text");
  }
}

void read_texts(std::vector<Record>& records, const std::string& tokenizer_folder, int64_t longest,
                PredictionSink& sink) {
  if (any_text(records)) tokenize(records, ByteLevelTokenizer(tokenizer_folder));
  warn_of_empty(records, sink);
  for (Record& record : records) {
    if (!record.text || record.length <= longest) continue;
    sink.note(text("warning: ", record.where, ": ", record.length, " tokens, of which the first ", longest,
                   " are read"));
    cut(record, longest);
  }
}

EncoderInput encoder_input(std::span<const Record> records) {
  std::vector<int32_t> ids;
  std::vector<uint8_t> mask;
  auto global = std::make_shared<GlobalTokens>();
  EncoderInput input;
  input.offsets = {0};
  bool any_mask = false, any_global = false;
  for (const Record& record : records) {
    any_mask = any_mask || !record.mask.empty();
    any_global = any_global || !record.global.empty();
    const auto length = static_cast<size_t>(record.length);
    for (size_t row = 0; row < static_cast<size_t>(record.rows); ++row) {
      global->offsets.push_back(std::ssize(global->positions));
      input.offsets.push_back(input.offsets.back() + record.length);
      if (record.global.empty()) continue;
      for (const int64_t position : record.global[row]) {
        const size_t at = row * length + static_cast<size_t>(position);
        if (record.mask.empty() || record.mask[at] != 0) global->positions.push_back(position);
      }
    }
    ids.insert(ids.end(), record.ids.begin(), record.ids.end());
    mask.insert(mask.end(), record.mask.begin(), record.mask.end());
    mask.resize(ids.size(), 1);
  }
  global->offsets.push_back(std::ssize(global->positions));
  const Shape shape{std::ssize(ids)};
  input.ids = Tensor::from(shape, ids);
  if (any_mask) input.mask = Tensor::from(shape, mask);
  if (any_global) input.global_tokens = global;
  return input;
}

std::shared_ptr<const GlobalTokens> first_tokens_global(int64_t sequences) {
  auto tokens = std::make_shared<GlobalTokens>();
  for (int64_t b = 0; b <= sequences; ++b) tokens->offsets.push_back(b);
  tokens->positions.assign(static_cast<size_t>(sequences), 0);
  return tokens;
}

int64_t add_first_tokens_global(std::vector<Record>& records) {
  int64_t rows = 0;
  for (Record& record : records) {
    if (!record.global.empty()) continue;
    record.global.assign(static_cast<size_t>(record.rows), {0});
    rows += record.rows;
  }
  return rows;
}

void cut(Record& record, int64_t longest) {
  const int32_t last = record.ids.back();
  record.length = longest;
  record.ids.resize(static_cast<size_t>(longest));
  record.ids.back() = last;
}

std::span<const Record> first_batch(std::span<const Record> records, int64_t most_tokens) {
  size_t count = 0;
  for (int64_t tokens = 0; count < records.size(); ++count) {
    tokens += tokens_of(records[count]);
    if (count > 0 && tokens > most_tokens) break;
  }
  return records.first(count);
}

}  // namespace lf
