// Documents as token ids: offsets, cutting, and what names their content.
#include "data/tasks/tokenized_documents.h"

#include <gtest/gtest.h>

#include <iterator>
#include <utility>

#include "tests/places.h"
#include "tests/testing.h"

namespace lf {
namespace {

LabelledDocument document(const std::string& id, const std::string& content) {
  return {.id = id, .text = content, .label = "x", .where = "here"};
}

TEST(TokenizedDocuments, KeepTheirTokensAndAreCutBeforeTheirEnd) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tiny_bpe"));
  const std::vector<LabelledDocument> documents = {document("a", "the first text"), document("b", "two"),
                                                   document("c", "a third and longer text of several words")};
  const TokenizedDocuments tokenized(documents, {0, 2, 1}, tokenizer);
  ASSERT_EQ(tokenized.count(), 3);
  EXPECT_EQ(tokenized.class_at(1), 2);
  std::vector<int32_t> ids, expected;
  for (int64_t i = 0; i < 3; ++i) {
    const std::vector<int32_t> whole = tokenizer.encode(documents[static_cast<size_t>(i)].text);
    EXPECT_EQ(tokenized.length(i), std::ssize(whole));
    expected.insert(expected.end(), whole.begin(), whole.end());
    tokenized.append(i, 1000, ids);
  }
  EXPECT_EQ(ids, expected);
  const int64_t longest = tokenized.length(2);
  ids.clear();
  tokenized.append(2, longest - 1, ids);
  std::vector<int32_t> cut = tokenizer.encode(documents[2].text);
  cut.erase(cut.end() - 2);  // the last token before </s>
  EXPECT_EQ(ids, cut);
  EXPECT_EQ(tokenized.longer_than(longest), 0);
  EXPECT_EQ(tokenized.longer_than(longest - 1), 1);
}

TEST(TokenizedDocuments, AreNamedByTheirContent) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tiny_bpe"));
  const std::vector<LabelledDocument> one = {document("a", "ab"), document("b", "c")},
                                      other = {document("a", "a"), document("b", "bc")};
  const auto hash = [&](const auto& documents, std::vector<int32_t> classes) {
    return TokenizedDocuments(documents, std::move(classes), tokenizer).content_hash();
  };
  EXPECT_EQ(hash(one, {0, 1}), hash(one, {0, 1}));
  EXPECT_NE(hash(one, {0, 1}), hash(one, {1, 0}));
  EXPECT_NE(hash(one, {0, 1}), hash(other, {0, 1}));
  EXPECT_ERROR_TEXT(hash(one, {0}), "1 classes for 2 documents");
}

}  // namespace
}  // namespace lf
