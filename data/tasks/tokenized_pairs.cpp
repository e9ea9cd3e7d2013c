#include "data/tasks/tokenized_pairs.h"

#include <iterator>
#include <string_view>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {
namespace {

using TextOfPair = std::string SummaryPair::*;

TokenizedTexts tokenized(const std::vector<SummaryPair>& pairs, TextOfPair text,
                         const ByteLevelTokenizer& tokenizer) {
  return TokenizedTexts(
      std::ssize(pairs), [&](int64_t i) -> std::string_view { return pairs[static_cast<size_t>(i)].*text; },
      tokenizer);
}

}  // namespace

TokenizedPairs::TokenizedPairs(const std::vector<SummaryPair>& pairs, const ByteLevelTokenizer& tokenizer) {
  CHECK(tokenizer.definition().ends,
        "the tokenizer does not put <s> and </s> around a text, as BART's and LED's do");
  for (const SummaryPair& pair : pairs)
    CHECK(pair.has_target, pair.where, ": ", escaped(pair.id), " has no target to be learned");
  sources = tokenized(pairs, &SummaryPair::source, tokenizer);
  targets = tokenized(pairs, &SummaryPair::target, tokenizer);
}

std::string TokenizedPairs::content_hash() const {
  ContentHash hash;
  sources.add_to(hash);
  targets.add_to(hash);
  return hash.hex();
}

}  // namespace lf
