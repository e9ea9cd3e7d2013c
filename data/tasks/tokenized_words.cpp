#include "data/tasks/tokenized_words.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/hash.h"

namespace lf {

WordTokens tokenize_words(std::string_view text, std::span<const ByteRange> words,
                          const ByteLevelTokenizer& tokenizer) {
  if (!text.starts_with(' ')) {
    std::vector<ByteRange> moved(words.begin(), words.end());
    for (ByteRange& word : moved) word = {word.begin + 1, word.end + 1};
    return tokenize_words(' ' + std::string(text), moved, tokenizer);
  }
  Encoding encoding = tokenizer.encode_with_ranges(text, false);
  WordTokens tokens{.ids = std::move(encoding.ids), .first = {}};
  size_t token = 0;
  for (const ByteRange& word : words) {
    // A blank before a word is part of it for the tokenizer, and may be a token by itself.
    const bool after_blank = word.begin > 0 && text[static_cast<size_t>(word.begin - 1)] == ' ';
    const int64_t begin = word.begin - (after_blank ? 1 : 0);
    while (token < tokens.ids.size() && encoding.ranges[token].end <= begin) ++token;
    CHECK(token < tokens.ids.size(), "the word at byte ", word.begin, " has no token");
    tokens.first.push_back(static_cast<int32_t>(token));
  }
  return tokens;
}

TokenizedWords::TokenizedWords(const std::vector<TaggedText>& texts, const std::vector<std::string>& labels,
                               const ByteLevelTokenizer& tokenizer)
    : texts_(texts.size()) {
  std::unordered_map<std::string_view, int32_t> classes;
  for (size_t c = 0; c < labels.size(); ++c) classes.emplace(labels[c], static_cast<int32_t>(c));
  std::exception_ptr failure;  // an exception must not leave the parallel loop
#pragma omp parallel for schedule(dynamic)
  for (size_t i = 0; i < texts.size(); ++i) {
    try {
      texts_[i].tokens = tokenize_words(texts[i].text, texts[i].words, tokenizer);
    } catch (const Error& error) {
#pragma omp critical(words_failure)
      failure = std::make_exception_ptr(Error(texts[i].where + ": " + error.what()));
    } catch (...) {
#pragma omp critical(words_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<int32_t>& first = texts_[i].tokens.first;
    for (size_t word = 0; word < texts[i].tags.size(); ++word) {
      const auto found = classes.find(texts[i].tags[word]);
      const bool shares = word > 0 && first[word] == first[word - 1];
      texts_[i].classes.push_back(found == classes.end() || shares ? kNoClass : found->second);
    }
    texts_[i].sentences = texts[i].sentences;
    texts_[i].entities = entities_of(texts[i].tags, texts[i].sentences);
  }
  for (const Text& own : texts_) {
    tokens_ += std::ssize(own.tokens.ids);
    words_ += std::ssize(own.tokens.first);
  }
}

std::string TokenizedWords::content_hash() const {
  ContentHash hash;
  for (const Text& own : texts_) {
    const std::vector<int64_t> sizes = {std::ssize(own.tokens.ids), std::ssize(own.tokens.first)};
    hash.update(bytes_of(sizes));
    hash.update(bytes_of(own.tokens.ids));
    hash.update(bytes_of(own.tokens.first));
    hash.update(bytes_of(own.classes));
    hash.update(bytes_of(own.sentences));
    for (const Entity& entity : own.entities) {
      hash.update(bytes_of(std::vector<int64_t>{entity.begin, entity.end}));
      hash.update(bytes_of(std::vector<char>(entity.type.begin(), entity.type.end())));
    }
  }
  return hash.hex();
}

void add_windows(int64_t text, int64_t tokens, const std::vector<int32_t>& first_tokens, int64_t most,
                 int64_t overlap, std::vector<WordWindow>& windows) {
  CHECK(most >= 1 && overlap >= 0 && overlap < most, "windows of ", most, " tokens that overlap by ",
        overlap);
  const auto words = static_cast<int64_t>(first_tokens.size());
  int64_t first_word = 0;
  for (int64_t begin = 0;;) {
    const int64_t end = std::min(begin + most, tokens);
    const int64_t next = std::min(begin + most - overlap, tokens - most);
    const int64_t border = end == tokens ? tokens : (next + end + 1) / 2;
    const auto last = std::lower_bound(first_tokens.begin() + first_word, first_tokens.end(), border);
    const int64_t last_word = end == tokens ? words : last - first_tokens.begin();
    if (last_word > first_word) windows.push_back({text, begin, end, first_word, last_word});
    first_word = last_word;
    if (end == tokens) return;
    begin = next;
  }
}

std::vector<WordWindow> word_windows(const TokenizedWords& texts, int64_t most, int64_t overlap) {
  std::vector<WordWindow> windows;
  for (int64_t i = 0; i < texts.count(); ++i)
    add_windows(i, std::ssize(texts.ids(i)), texts.first_tokens(i), most, overlap, windows);
  return windows;
}

}  // namespace lf
