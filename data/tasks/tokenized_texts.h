// Texts as token ids, all in memory: one behind the other, with offsets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "core/hash.h"
#include "data/tokenizer/byte_level_tokenizer.h"

namespace lf {

class TokenizedTexts {
 public:
  TokenizedTexts() = default;
  // Tokenizes on all threads the texts that `text_at` gives for 0 ... count - 1.
  TokenizedTexts(int64_t count, const std::function<std::string_view(int64_t)>& text_at,
                 const ByteLevelTokenizer& tokenizer);

  int64_t count() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t tokens() const { return static_cast<int64_t>(ids_.size()); }
  // Tokens of text i, and of so many at most: a longer one is cut, and keeps its last token, </s>.
  int64_t length(int64_t i) const {
    return offsets_[static_cast<size_t>(i + 1)] - offsets_[static_cast<size_t>(i)];
  }
  int64_t length(int64_t i, int64_t most) const { return std::min(length(i), most); }
  void append(int64_t i, int64_t most, std::vector<int32_t>& ids) const;

  // Texts of more than `most` tokens.
  int64_t longer_than(int64_t most) const;
  // Ids and their division into texts.
  void add_to(ContentHash& hash) const;

 private:
  std::vector<int32_t> ids_;
  std::vector<int64_t> offsets_{0};
};

}  // namespace lf
