// Mutated tokenizer files are refused with a message or make a tokenizer that works; mutated texts are
// encoded to ids that give the text back. LF_FUZZ_SECONDS makes each test run that long instead of a moment.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>

#include "core/check.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "data/tokenizer/strict_json.h"
#include "data/tokenizer/utf8.h"
#include "tests/tokenizer_cases.h"

namespace lf {
namespace {

// Runs `once` a fixed number of times, or for LF_FUZZ_SECONDS.
template <class F>
void repeat(int times, F&& once) {
  const char* seconds = std::getenv("LF_FUZZ_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds ? std::atoll(seconds) : 0);
  for (int i = 0; !::testing::Test::HasFailure(); ++i) {
    if (seconds ? std::chrono::steady_clock::now() >= end : i >= times) break;
    once();
  }
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  uint64_t below(uint64_t limit) { return random_() % limit; }
  std::mt19937_64& random() { return random_; }

  // One change or more; `words` are put in at random places.
  std::string mutated(std::string content, const std::vector<std::string>& words) {
    do {
      mutate(content, words);
    } while (!content.empty() && below(3) == 0);
    return content;
  }

 private:
  void mutate(std::string& content, const std::vector<std::string>& words) {
    if (content.empty()) return content.append(words[below(words.size())]), void();
    const size_t at = below(content.size());
    switch (below(6)) {
      case 0:
        content[at] ^= static_cast<char>(1 << below(8));
        break;
      case 1:
        content[at] = static_cast<char>(below(256));
        break;
      case 2:
        content.erase(at, 1 + below(8));
        break;
      case 3:
        content.insert(at, words[below(words.size())]);
        break;
      case 4:
        content.resize(at);
        break;
      case 5:
        content.insert(at, content.substr(below(content.size()), below(40)));
        break;
    }
  }

  std::mt19937_64 random_;
};

const std::vector<std::string> kWords = {"0",
                                         "-1",
                                         "2147483648",
                                         "1e400",
                                         "null",
                                         "true",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"",
                                         " ",
                                         "\n",
                                         "\r\n",
                                         "#version: 0.2\n",
                                         "Ġ",
                                         "\\u0120",
                                         "\\ud800",
                                         "<mask>",
                                         "\"a\"",
                                         "vocab",
                                         "merges",
                                         "type",
                                         "content",
                                         "lstrip",
                                         "id",
                                         "BPE",
                                         "[\"a\",\"b\"]",
                                         "he"};

// A vocabulary of the 256 bytes, five special tokens and a few merges: mutations hit what matters.
TokenizerDefinition small_definition() {
  TokenizerDefinition definition = tokenizer_variants().front().definition;
  definition.tokens.resize(5 + 256 + 40);
  definition.merges.resize(40);
  return definition;
}

std::string small_vocabulary() {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (const std::string& token : small_definition().tokens) vocabulary[token] = vocabulary.size();
  return vocabulary.dump();
}

std::string small_merges() {
  const TokenizerDefinition definition = small_definition();
  std::string lines = "#version: 0.2\n";
  for (const Merge& merge : definition.merges) {
    lines += definition.tokens[static_cast<size_t>(merge.left)] + " " +
             definition.tokens[static_cast<size_t>(merge.right)] + "\n";
  }
  return lines;
}

// Whatever was accepted encodes and decodes.
void use(const TokenizerDefinition& definition, std::mt19937_64& random) {
  const ByteLevelTokenizer tokenizer(definition);
  for (const char* text : {"", "the <mask> sea", "<s></s>\xFF", "  \n"})
    tokenizer.decode(tokenizer.encode(text));
  tokenizer.encode_with_ranges(random_unicode(random, 30));
}

void expect_good_message(const Error& error, const std::string& name) {
  const std::string message = error.what();
  EXPECT_NE(message.find(name), std::string::npos) << message;
  EXPECT_LT(message.size(), 600u) << message;
  EXPECT_NO_THROW(nlohmann::json(message).dump()) << "a message must be valid UTF-8";
}

struct Counts {
  int accepted = 0, refused = 0;
};

// Both answers must have been reached, or the mutations test nothing.
void expect_both(const Counts& counts) {
  EXPECT_GT(counts.accepted, 0);
  EXPECT_GT(counts.refused, 0);
  ::testing::Test::RecordProperty("accepted", counts.accepted);
  ::testing::Test::RecordProperty("refused", counts.refused);
}

TEST(TokenizerFuzz, VocabularyAndMerges) {
  Mutator mutator(1);
  VocabularyFiles good;
  good.vocabulary_path = good.merges_path = good.config_path = "NAME";
  good.vocabulary = small_vocabulary(), good.merges = small_merges();
  const std::string config =
      R"({"add_prefix_space": true, "mask_token": {"content": "<mask>", "lstrip": true, "rstrip": false,)"
      R"("normalized": false, "single_word": false}, "added_tokens_decoder": {}})";
  Counts counts;
  repeat(1000, [&] {
    VocabularyFiles files = good;
    if (mutator.below(2)) files.vocabulary = mutator.mutated(files.vocabulary, kWords);
    if (mutator.below(2)) files.merges = mutator.mutated(files.merges, kWords);
    if (mutator.below(2)) files.config = mutator.mutated(config, kWords);
    try {
      use(parse_vocabulary_files(files), mutator.random());
      ++counts.accepted;
    } catch (const Error& error) {
      expect_good_message(error, "NAME");
      ++counts.refused;
    }
  });
  expect_both(counts);
}

TEST(TokenizerFuzz, TokenizerJson) {
  Mutator mutator(2);
  nlohmann::ordered_json document = tokenizer_variants().back().document;
  document["model"]["vocab"] = nlohmann::json::parse(small_vocabulary());
  document["model"]["merges"] = nlohmann::json::array();
  const TokenizerDefinition small = small_definition();
  for (const Merge& merge : small.merges) {
    document["model"]["merges"].push_back(
        {small.tokens[static_cast<size_t>(merge.left)], small.tokens[static_cast<size_t>(merge.right)]});
  }
  auto& added = document["added_tokens"];
  added.erase(5);  // its id is that of a token which the small vocabulary lacks
  for (size_t i = 5; i < added.size(); ++i) added[i]["id"] = small.tokens.size() + i - 5;
  const std::string good = document.dump();
  Counts counts;
  repeat(1000, [&] {
    try {
      const std::string content = mutator.mutated(good, kWords);
      use(parse_tokenizer_json(parse_strict_json(content, "NAME"), "NAME"), mutator.random());
      ++counts.accepted;
    } catch (const Error& error) {
      expect_good_message(error, "NAME");
      ++counts.refused;
    }
  });
  expect_both(counts);
}

// The text comes back from ids and ranges lie in it, whatever the bytes.
void expect_encodes(const ByteLevelTokenizer& tokenizer, const std::string& text) {
  const Encoding encoding = tokenizer.encode_with_ranges(text, false);
  ASSERT_EQ(tokenizer.encode(text, false), encoding.ids);
  ASSERT_EQ(tokenizer.decode(encoding.ids), RepairedText(text).text());
  ASSERT_EQ(encoding.ids.size(), encoding.ranges.size());
  int64_t before = 0;
  for (const ByteRange& range : encoding.ranges) {
    ASSERT_LE(range.begin, range.end);
    ASSERT_LE(range.end, static_cast<int64_t>(text.size()));
    ASSERT_GE(range.end, before);
    before = range.end;
  }
}

TEST(TokenizerFuzz, Texts) {
  // Where <mask> leaves the white space alone, every text comes back.
  const ByteLevelTokenizer tokenizer(kTokenizerFolder, {.mask_takes_space = false});
  Mutator mutator(3);
  const std::vector<std::string> words = {
      " ",    "  ",     "\n",     "'s",         "<mask>", "</s>", "the",  "\xFF",
      "\xF0", "\u3000", "\u0301", "\U0001F600", "1",      "aaaa", "\xE2", std::string("\0", 1)};
  repeat(5000, [&] {
    std::string text = mutator.below(2) ? random_unicode(mutator.random(), 60) : "";
    for (uint64_t n = mutator.below(20); n > 0; --n) text += words[mutator.below(words.size())];
    if (mutator.below(50) == 0) text += std::string(mutator.below(20'000), "a \n="[mutator.below(4)]);
    expect_encodes(tokenizer, mutator.mutated(text, words));
  });
}

}  // namespace
}  // namespace lf
