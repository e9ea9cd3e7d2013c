// Words as tokens, against transformers (tests/golden/word_tokens.jsonl), and windows in which every word is
// told once.
#include "data/tasks/tokenized_words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "core/files.h"
#include "data/word_list.h"
#include "tests/places.h"
#include "tests/program.h"
#include "tests/testing.h"

namespace lf {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

TEST(WordTokens, EqualThoseOfTransformers) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tokenizer"));
  int64_t lists = 0;
  for (const std::string& line : lines_of(read_file(source_path("tests/golden/word_tokens.jsonl")))) {
    const json record = json::parse(line);
    if (!record.contains("words")) continue;
    const JoinedWords joined = joined_words(record["words"].get<Strings>());
    const WordTokens tokens = tokenize_words(joined.text, joined.words, tokenizer);
    EXPECT_EQ(tokens.ids, record["ids"].get<std::vector<int32_t>>()) << line;
    EXPECT_EQ(tokens.first, record["first"].get<std::vector<int32_t>>()) << line;
    ++lists;
  }
  EXPECT_GT(lists, 50);
}

// In a text as it stands, every word begins with a token.
TEST(WordTokens, WordsOfATextBeginWithTokens) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tokenizer"));
  const std::string text = " Don't\t\tpay 3,000 \u20ac (or 'less')!\n\u4e2d\u6587 S\u00e3o\u00a0Paulo ...\n ";
  const std::vector<ByteRange> words = words_of(text);
  const Encoding encoding = tokenizer.encode_with_ranges(text, false);
  const WordTokens tokens = tokenize_words(text, words, tokenizer);
  Strings shown;
  for (size_t i = 0; i < words.size(); ++i) {
    const ByteRange& token = encoding.ranges[static_cast<size_t>(tokens.first[i])];
    EXPECT_TRUE(token.begin == words[i].begin ||
                (token.begin + 1 == words[i].begin && text[static_cast<size_t>(token.begin)] == ' '));
    shown.push_back(
        text.substr(static_cast<size_t>(words[i].begin), static_cast<size_t>(words[i].end - words[i].begin)));
  }
  EXPECT_EQ(shown, (Strings{"Don", "'t", "pay", "3", ",", "000", "\u20ac", "(", "or", "'", "less", "')!",
                            "\u4e2d\u6587", "S\u00e3o", "Paulo", "..."}));
}

TEST(WordTokens, ATextIsReadAsIfABlankStoodBeforeIt) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tokenizer"));
  const JoinedWords joined = joined_words({"The", "man"});
  const std::string plain = "The man";
  const WordTokens as_list = tokenize_words(joined.text, joined.words, tokenizer);
  const WordTokens as_text = tokenize_words(plain, words_of(plain), tokenizer);
  EXPECT_EQ(as_text.ids, as_list.ids);
  EXPECT_EQ(as_text.first, as_list.first);
}

TEST(WordWindows, TellEveryWordOnceAndWhereItIsFartherFromTheEnd) {
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    std::vector<int32_t> first;
    int32_t token = 0;
    const auto words = static_cast<int64_t>(1 + random() % 60);
    for (int64_t word = 0; word < words; ++word) {
      first.push_back(token);
      token += static_cast<int32_t>(1 + (random() % 9 == 0 ? random() % 30 : random() % 2));
    }
    const int64_t tokens = token, most = 2 + static_cast<int64_t>(random() % 40);
    const int64_t overlap = static_cast<int64_t>(random() % static_cast<uint64_t>(most));
    std::vector<WordWindow> windows;
    add_windows(7, tokens, first, most, overlap, windows);
    int64_t told = 0;
    for (const WordWindow& window : windows) {
      EXPECT_EQ(window.text, 7);
      EXPECT_EQ(window.first_word, told) << "the words, one behind the other";
      EXPECT_LT(window.first_word, window.last_word);
      told = window.last_word;
      EXPECT_EQ(window.tokens(), std::min(most, tokens));
      EXPECT_GE(window.begin, 0);
      EXPECT_LE(window.end, tokens);
      for (int64_t word = window.first_word; word < window.last_word; ++word) {
        const int64_t place = first[static_cast<size_t>(word)];
        EXPECT_TRUE(place >= window.begin && place < window.end);
        // A window that is cut there has half of what it shares with the next one behind the word.
        if (window.end < tokens) {
          EXPECT_GE(2 * (window.end - place), std::min(overlap, window.end - place));
        }
        if (window.begin > 0 && window.end < tokens) {
          EXPECT_GE(place - window.begin, overlap / 2);
        }
      }
    }
    EXPECT_EQ(told, words);
  }
}

TEST(WordWindows, AreTheWholeTextWhereThatIsShortEnough) {
  std::vector<WordWindow> windows;
  add_windows(0, 5, {0, 2, 4}, 5, 2, windows);
  EXPECT_EQ(windows, (std::vector<WordWindow>{{0, 0, 5, 0, 3}}));
  windows.clear();
  add_windows(0, 10, {0, 2, 4, 5, 6, 9}, 6, 2,
              windows);  // [0, 6) and [4, 10): words from token 5 on in the second
  EXPECT_EQ(windows, (std::vector<WordWindow>{{0, 0, 6, 0, 3}, {0, 4, 10, 3, 6}}));
  EXPECT_ERROR_TEXT(add_windows(0, 5, {0}, 2, 2, windows), "windows of 2 tokens that overlap by 2");
}

TEST(TokenizedWords, KnowTheirClassesEntitiesAndContent) {
  const ByteLevelTokenizer tokenizer(source_path("tests/golden/tokenizer"));
  const auto tagged = [](const Strings& words, const Strings& tags) {
    JoinedWords joined = joined_words(words);
    return TaggedText{.id = "a", .text = joined.text, .words = joined.words, .tags = tags, .where = "here"};
  };
  const std::vector<TaggedText> texts = {tagged({"New", "York", "is"}, {"B-p", "I-p", "O"}),
                                         tagged({"x"}, {"B-unknown"})};
  const Strings labels = {"O", "B-p", "I-p"};
  const TokenizedWords words(texts, labels, tokenizer);
  EXPECT_EQ(words.count(), 2);
  EXPECT_EQ(words.words(), 4);
  EXPECT_EQ(words.classes(0), (std::vector<int32_t>{1, 2, 0}));
  EXPECT_EQ(words.classes(1), (std::vector<int32_t>{kNoClass}));
  EXPECT_EQ(words.entities(1), (std::vector<Entity>{{0, 1, "unknown"}}));
  EXPECT_EQ(words.content_hash(), TokenizedWords(texts, labels, tokenizer).content_hash());
  for (const auto& other : {tagged({"New", "York", "is"}, {"B-p", "I-p", "B-p"}),
                            tagged({"New", "Yorks", "is"}, {"B-p", "I-p", "O"})})
    EXPECT_NE(words.content_hash(), TokenizedWords({other, texts[1]}, labels, tokenizer).content_hash());
}

}  // namespace
}  // namespace lf
