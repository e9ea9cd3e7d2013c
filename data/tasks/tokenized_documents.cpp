#include "data/tasks/tokenized_documents.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/hash.h"

namespace lf {
namespace {

// Texts are tokenized so many at a time: a corpus is then never in memory twice.
constexpr size_t kTogether = 1024;

template <class T>
std::span<const uint8_t> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

TokenizedDocuments::TokenizedDocuments(const std::vector<LabelledDocument>& documents,
                                       std::vector<int32_t> classes, const ByteLevelTokenizer& tokenizer)
    : classes_(std::move(classes)) {
  CHECK(classes_.size() == documents.size(), "tokenized documents: ", classes_.size(), " classes for ",
        documents.size(), " documents");
  for (size_t first = 0; first < documents.size(); first += kTogether) {
    std::vector<std::string_view> texts;
    for (size_t i = first; i < std::min(documents.size(), first + kTogether); ++i)
      texts.emplace_back(documents[i].text);
    for (const std::vector<int32_t>& ids : tokenizer.encode_all(texts)) {
      ids_.insert(ids_.end(), ids.begin(), ids.end());
      offsets_.push_back(static_cast<int64_t>(ids_.size()));
    }
  }
}

void TokenizedDocuments::append(int64_t i, int64_t most, std::vector<int32_t>& ids) const {
  const auto begin = ids_.begin() + offsets_[static_cast<size_t>(i)];
  ids.insert(ids.end(), begin, begin + length(i, most));
  ids.back() = ids_[static_cast<size_t>(offsets_[static_cast<size_t>(i + 1)] - 1)];
}

int64_t TokenizedDocuments::longer_than(int64_t most) const {
  int64_t longer = 0;
  for (int64_t i = 0; i < count(); ++i) longer += length(i) > most;
  return longer;
}

std::string TokenizedDocuments::content_hash() const {
  ContentHash hash;
  hash.update(bytes_of(ids_));
  hash.update(bytes_of(offsets_));
  hash.update(bytes_of(classes_));
  return hash.hex();
}

}  // namespace lf
