// A split of labelled documents as token ids, each with its class.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/labelled_document.h"
#include "data/tasks/tokenized_texts.h"

namespace lf {

class TokenizedDocuments : public TokenizedTexts {
 public:
  TokenizedDocuments() = default;
  // Tokenizes on all threads. `classes`: of each document.
  TokenizedDocuments(const std::vector<LabelledDocument>& documents, std::vector<int32_t> classes,
                     const ByteLevelTokenizer& tokenizer);

  int32_t class_at(int64_t i) const { return classes_[static_cast<size_t>(i)]; }
  // Names ids, classes and their order.
  std::string content_hash() const;

 private:
  std::vector<int32_t> classes_;
};

}  // namespace lf
