#include "data/tasks/tokenized_documents.h"

#include <iterator>
#include <string_view>
#include <utility>

#include "core/check.h"

namespace lf {

TokenizedDocuments::TokenizedDocuments(const std::vector<LabelledDocument>& documents,
                                       std::vector<int32_t> classes, const ByteLevelTokenizer& tokenizer)
    : TokenizedTexts(
          std::ssize(documents),
          [&](int64_t i) -> std::string_view { return documents[static_cast<size_t>(i)].text; }, tokenizer),
      classes_(std::move(classes)) {
  CHECK(classes_.size() == documents.size(), "tokenized documents: ", classes_.size(), " classes for ",
        documents.size(), " documents");
}

std::string TokenizedDocuments::content_hash() const {
  ContentHash hash;
  add_to(hash);
  hash.update(bytes_of(classes_));
  return hash.hex();
}

}  // namespace lf
