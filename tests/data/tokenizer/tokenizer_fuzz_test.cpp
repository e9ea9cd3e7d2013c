// Mutated tokenizer files are refused with a message or make a tokenizer that works; mutated texts are
// encoded to ids that give the text back. LF_FUZZ_SECONDS makes each test run that long instead of a moment.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "core/check.h"
#include "core/json.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "data/tokenizer/utf8.h"
#include "tests/data/tokenizer/tokenizer_cases.h"
#include "tests/fuzz.h"

namespace lf {
namespace {

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

ByteMutator mutator_of(const std::string& original, uint64_t seed) {
  return ByteMutator(original, kWords, 0, original.size(), seed);
}

TEST(TokenizerFuzz, VocabularyAndMerges) {
  VocabularyFiles good;
  good.vocabulary_path = good.merges_path = good.beside.config_path = good.beside.map_path = "NAME";
  good.vocabulary = small_vocabulary(), good.merges = small_merges();
  const std::string config =
      R"({"add_prefix_space": true, "mask_token": {"content": "<mask>", "lstrip": true, "rstrip": false,)"
      R"("normalized": false, "single_word": false}, "extra_special_tokens": ["[X]"], "added_tokens_decoder": {}})";
  ByteMutator vocabularies = mutator_of(good.vocabulary, 1), merges = mutator_of(good.merges, 2),
              configurations = mutator_of(config, 3);
  std::mt19937_64 random(4);
  Counts counts;
  for (FuzzRounds rounds(1000); rounds.more();) {
    VocabularyFiles files = good;
    if (random() % 2) files.vocabulary = vocabularies.next();
    if (random() % 2) files.merges = merges.next();
    if (random() % 2) files.beside.config = configurations.next();
    if (random() % 2) files.beside.map = configurations.next();
    try {
      use(parse_vocabulary_files(files), random);
      ++counts.accepted;
    } catch (const Error& error) {
      expect_clean_message(error.what(), "NAME");
      ++counts.refused;
    }
  }
  expect_both(counts);
}

TEST(TokenizerFuzz, TokenizerJson) {
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
  ByteMutator documents = mutator_of(good, 5);
  std::mt19937_64 random(6);
  for (FuzzRounds rounds(1000); rounds.more();) {
    try {
      use(parse_tokenizer_json(parse_json(documents.next(), "NAME"), "NAME"), random);
      ++counts.accepted;
    } catch (const Error& error) {
      expect_clean_message(error.what(), "NAME");
      ++counts.refused;
    }
  }
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
  std::mt19937_64 random(7);
  const std::vector<std::string> words = {
      " ",    "  ",     "\n",     "'s",         "<mask>", "</s>", "the",  "\xFF",
      "\xF0", "\u3000", "\u0301", "\U0001F600", "1",      "aaaa", "\xE2", std::string("\0", 1)};
  for (FuzzRounds rounds(5000); rounds.more();) {
    std::string text = random_unicode(random, random() % 2 ? 60 : 1) + " ";
    for (uint64_t n = random() % 20; n > 0; --n) text += words[random() % words.size()];
    if (random() % 50 == 0) text += std::string(random() % 20'000, "a \n="[random() % 4]);
    expect_encodes(tokenizer, ByteMutator(text, words, 0, text.size(), random()).next());
  }
}

}  // namespace
}  // namespace lf
