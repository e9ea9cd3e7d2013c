// A split of labelled documents as token ids, all in memory: one behind the other, with offsets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/tasks/labelled_document.h"
#include "data/tokenizer/byte_level_tokenizer.h"

namespace lf {

class TokenizedDocuments {
 public:
  TokenizedDocuments() = default;
  // Tokenizes on all threads. `classes`: of each document.
  TokenizedDocuments(const std::vector<LabelledDocument>& documents, std::vector<int32_t> classes,
                     const ByteLevelTokenizer& tokenizer);

  int64_t count() const { return static_cast<int64_t>(classes_.size()); }
  int64_t tokens() const { return static_cast<int64_t>(ids_.size()); }
  int32_t class_at(int64_t i) const { return classes_[static_cast<size_t>(i)]; }
  // Tokens of document i, and of so many at most: a longer one is cut, and keeps its last token, </s>.
  int64_t length(int64_t i) const {
    return offsets_[static_cast<size_t>(i + 1)] - offsets_[static_cast<size_t>(i)];
  }
  int64_t length(int64_t i, int64_t most) const { return std::min(length(i), most); }
  void append(int64_t i, int64_t most, std::vector<int32_t>& ids) const;

  // Documents of more than `most` tokens.
  int64_t longer_than(int64_t most) const;
  // Names ids, classes and their order.
  std::string content_hash() const;

 private:
  std::vector<int32_t> ids_;
  std::vector<int64_t> offsets_{0};
  std::vector<int32_t> classes_;
};

}  // namespace lf
