#include "data/tasks/tokenized_texts.h"

namespace lf {
namespace {

// Texts are tokenized so many at a time: a corpus is then never in memory twice.
constexpr int64_t kTogether = 1024;

}  // namespace

TokenizedTexts::TokenizedTexts(int64_t count, const std::function<std::string_view(int64_t)>& text_at,
                               const ByteLevelTokenizer& tokenizer) {
  for (int64_t first = 0; first < count; first += kTogether) {
    std::vector<std::string_view> texts;
    for (int64_t i = first; i < std::min(count, first + kTogether); ++i) texts.push_back(text_at(i));
    for (const std::vector<int32_t>& ids : tokenizer.encode_all(texts)) {
      ids_.insert(ids_.end(), ids.begin(), ids.end());
      offsets_.push_back(static_cast<int64_t>(ids_.size()));
    }
  }
}

void TokenizedTexts::append(int64_t i, int64_t most, std::vector<int32_t>& ids) const {
  const auto begin = ids_.begin() + offsets_[static_cast<size_t>(i)];
  ids.insert(ids.end(), begin, begin + length(i, most));
  ids.back() = ids_[static_cast<size_t>(offsets_[static_cast<size_t>(i + 1)] - 1)];
}

int64_t TokenizedTexts::longer_than(int64_t most) const {
  int64_t longer = 0;
  for (int64_t i = 0; i < count(); ++i) longer += length(i) > most;
  return longer;
}

void TokenizedTexts::add_to(ContentHash& hash) const {
  hash.update(bytes_of(ids_));
  hash.update(bytes_of(offsets_));
}

}  // namespace lf
