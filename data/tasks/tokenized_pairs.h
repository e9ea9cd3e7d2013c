// A split of texts and their summaries as token ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/summary_pair.h"
#include "data/tasks/tokenized_texts.h"

namespace lf {

struct TokenizedPairs {
  TokenizedPairs() = default;
  // Tokenizes on all threads; every text is <s> its tokens </s>. Throws Error for a pair without target and a
  // tokenizer that does not put <s> and </s> around a text.
  TokenizedPairs(const std::vector<SummaryPair>& pairs, const ByteLevelTokenizer& tokenizer);

  int64_t count() const { return sources.count(); }
  // Names ids, which of them are sources, and their order.
  std::string content_hash() const;

  TokenizedTexts sources, targets;  // of pair i in both
};

}  // namespace lf
