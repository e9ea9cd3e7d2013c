// Texts and summaries as token ids: what stands around them, what is too long, and what names their content.
#include "data/tasks/tokenized_pairs.h"

#include <iterator>
#include <utility>

#include "tests/data/tasks/summary_input.h"
#include "tests/places.h"

namespace lf {
namespace {

SummaryPair whole_pair(const std::string& source, const std::string& target) {
  return {.id = "a", .source = source, .target = target, .where = "here:1", .has_target = true};
}

TEST(TokenizedPairs, KeepSourcesAndTargets) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tiny_bpe"));
  const SummaryPairs pairs = {whole_pair("the first text", "first"),
                              whole_pair("a longer text of several words", "several words")};
  const TokenizedPairs tokenized(pairs, tokenizer);
  ASSERT_EQ(tokenized.count(), 2);
  std::vector<int32_t> source, target;
  tokenized.sources.append(1, 1000, source);
  tokenized.targets.append(1, 1000, target);
  EXPECT_EQ(source, tokenizer.encode(pairs[1].source));
  EXPECT_EQ(target, tokenizer.encode(pairs[1].target));
  EXPECT_EQ(target.front(), tokenizer.special_ids().begin);
  EXPECT_EQ(target.back(), tokenizer.special_ids().end);
  const int64_t most = std::ssize(target) - 1;
  std::vector<int32_t> cut;
  tokenized.targets.append(1, most, cut);
  target.erase(target.end() - 2);
  EXPECT_EQ(cut, target) << "the end stays";
  EXPECT_EQ(tokenized.targets.longer_than(most), 1);
  EXPECT_EQ(tokenized.targets.longer_than(most + 1), 0);
}

TEST(TokenizedPairs, AreNamedByTheirContent) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tiny_bpe"));
  const auto hash = [&](const SummaryPairs& pairs) {
    return TokenizedPairs(pairs, tokenizer).content_hash();
  };
  const std::string one = hash({whole_pair("ab", "c")});
  EXPECT_EQ(one, hash({whole_pair("ab", "c")}));
  EXPECT_NE(one, hash({whole_pair("c", "ab")}));
  EXPECT_NE(one, hash({whole_pair("a", "bc")}));
  EXPECT_NE(one, hash({whole_pair("ab", "d")}));
}

// Where nothing stands around a text, only the borders tell texts of the same tokens apart.
TEST(TokenizedPairs, TextsAreNamedWithTheirBorders) {
  TokenizerDefinition bare = ByteLevelTokenizer(source_path("tests/golden/tiny_bpe")).definition();
  bare.ends.reset();
  const ByteLevelTokenizer tokenizer(std::move(bare));
  const auto hash = [&](const std::vector<std::string>& texts) {
    ContentHash content;
    TokenizedTexts(
        std::ssize(texts), [&](int64_t i) { return std::string_view(texts[static_cast<size_t>(i)]); },
        tokenizer)
        .add_to(content);
    return content.hex();
  };
  EXPECT_EQ(hash({"\x01", "\x02\x03"}), hash({"\x01", "\x02\x03"}));
  EXPECT_NE(hash({"\x01", "\x02\x03"}), hash({"\x01\x02", "\x03"}));
}

TEST(TokenizedPairs, WhatCannotBeLearnedIsRefused) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tiny_bpe"));
  SummaryPair pair = whole_pair("text", "");
  pair.has_target = false;
  EXPECT_ERROR(TokenizedPairs({pair}, tokenizer), "here:1: \"a\" has no target to be learned");
  TokenizerDefinition bare = tokenizer.definition();
  bare.ends.reset();
  EXPECT_ERROR(TokenizedPairs({whole_pair("a", "b")}, ByteLevelTokenizer(std::move(bare))),
               "the tokenizer does not put <s> and </s> around a text, as BART's and LED's do");
}

}  // namespace
}  // namespace lf
