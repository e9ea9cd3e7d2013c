// Texts in words as token ids, all in memory, and windows over those that are longer than a sequence.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tasks/tagged_text.h"
#include "data/tokenizer/byte_level_tokenizer.h"

namespace lf {

// The tokens of a text without <s> and </s>, with a blank before its first word as before the others, and of
// each word the token that holds its first byte, or the blank before it. Words that an added token of the
// tokenizer holds together ("<s>" in a text) have the same.
struct WordTokens {
  std::vector<int32_t> ids, first;
};
WordTokens tokenize_words(std::string_view text, std::span<const ByteRange> words,
                          const ByteLevelTokenizer& tokenizer);

// What stands for the class of a word whose tag is none.
inline constexpr int32_t kNoClass = -1;

class TokenizedWords {
 public:
  TokenizedWords() = default;
  // Tokenizes on all threads. A word's class is the place of its tag in `labels`; of words that share their
  // first token, only the first one has a class.
  TokenizedWords(const std::vector<TaggedText>& texts, const std::vector<std::string>& labels,
                 const ByteLevelTokenizer& tokenizer);

  int64_t count() const { return static_cast<int64_t>(texts_.size()); }
  int64_t tokens() const { return tokens_; }
  int64_t words() const { return words_; }
  // Of text i: its tokens, and of each word the first token and the class.
  const std::vector<int32_t>& ids(int64_t i) const { return at(i).tokens.ids; }
  const std::vector<int32_t>& first_tokens(int64_t i) const { return at(i).tokens.first; }
  const std::vector<int32_t>& classes(int64_t i) const { return at(i).classes; }
  // Those that its tags say.
  const std::vector<Entity>& entities(int64_t i) const { return at(i).entities; }
  // The words, beside the first, with which its sentences begin.
  const std::vector<int64_t>& sentences(int64_t i) const { return at(i).sentences; }

  // Names ids, words, classes, entities and their order.
  std::string content_hash() const;

 private:
  struct Text {
    WordTokens tokens;
    std::vector<int32_t> classes;
    std::vector<Entity> entities;
    std::vector<int64_t> sentences;
  };
  const Text& at(int64_t i) const { return texts_[static_cast<size_t>(i)]; }

  std::vector<Text> texts_;
  int64_t tokens_ = 0, words_ = 0;
};

// The tokens [begin, end) of a text, and the words [first_word, last_word) whose class is told there.
struct WordWindow {
  int64_t text = 0, begin = 0, end = 0, first_word = 0, last_word = 0;

  int64_t tokens() const { return end - begin; }
  bool operator==(const WordWindow&) const = default;
};

// Appends the windows of one text of so many tokens: the whole of it where it has no more than `most`, else
// windows of `most` tokens that overlap by `overlap` (the last one by more). Every word is told in one
// window, of two that hold its first token in the one where that is farther from the end; windows that tell
// no word are left out.
void add_windows(int64_t text, int64_t tokens, const std::vector<int32_t>& first_tokens, int64_t most,
                 int64_t overlap, std::vector<WordWindow>& windows);

// The windows of all texts, in their order.
std::vector<WordWindow> word_windows(const TokenizedWords& texts, int64_t most, int64_t overlap);

}  // namespace lf
