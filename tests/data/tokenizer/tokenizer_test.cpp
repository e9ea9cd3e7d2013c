// Byte-level BPE against ids made by transformers (tests/golden/tokenizer), and what must hold for any text.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "core/files.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"
#include "tests/data/tokenizer/tokenizer_cases.h"
#include "tests/program.h"
#include "tests/testing.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr auto kNoSpecialTokens = false;

// Character offsets as the tokenizers library gives them: a token that is part of a character has all of it.
std::vector<int64_t> character_offsets(const std::string& text, const std::vector<ByteRange>& ranges) {
  const auto characters_before = [&](int64_t end) {
    return std::count_if(text.begin(), text.begin() + end, [](char c) { return (c & 0xC0) != 0x80; });
  };
  std::vector<int64_t> offsets;
  for (const ByteRange& range : ranges) {
    int64_t begin = range.begin;
    while (begin > 0 && begin < static_cast<int64_t>(text.size()) &&
           (text[static_cast<size_t>(begin)] & 0xC0) == 0x80) {
      --begin;
    }
    offsets.push_back(characters_before(begin));
    offsets.push_back(characters_before(range.end));
  }
  return offsets;
}

void expect_case(const ByteLevelTokenizer& tokenizer, const TokenizerCase& c) {
  SCOPED_TRACE(c.shown);
  const std::vector<int32_t> ids = tokenizer.encode(c.text, kNoSpecialTokens);
  EXPECT_EQ(ids, c.ids);
  std::vector<int32_t> with_ends = {0};
  with_ends.insert(with_ends.end(), c.ids.begin(), c.ids.end());
  with_ends.push_back(2);
  EXPECT_EQ(tokenizer.encode(c.text), with_ends);
  EXPECT_EQ(RepairedText(tokenizer.decode(c.ids)).text(), c.decoded);
  // The library's offsets count the characters of the decoded text.
  const std::string decoded(RepairedText(c.text).text());
  const Encoding encoding = tokenizer.encode_with_ranges(decoded, kNoSpecialTokens);
  EXPECT_EQ(encoding.ids, c.ids);
  ASSERT_EQ(encoding.ranges.size(), c.ids.size());
  if (c.offsets) {
    EXPECT_EQ(character_offsets(decoded, encoding.ranges), *c.offsets);
  }
}

TEST(Tokenizer, GivesTransformersIds) {
  size_t cases = 0, pairs = 0;
  for (const TokenizerVariant& variant : tokenizer_variants()) {
    SCOPED_TRACE(variant.name);
    const ByteLevelTokenizer tokenizer(variant.definition);
    for (const TokenizerCase& c : variant.cases) {
      if (c.second) {
        EXPECT_EQ(tokenizer.encode_pair(c.text, *c.second), c.ids) << c.shown;
      } else {
        expect_case(tokenizer, c);
      }
      ++(c.second ? pairs : cases);
    }
  }
  EXPECT_GT(cases, 400u);
  EXPECT_EQ(pairs, 30u);
}

// The two files alone: special tokens, and the white space before <mask>.
TEST(Tokenizer, TheTwoFilesMakeTheSameTokenizer) {
  for (const TokenizerVariant& variant : tokenizer_variants()) {
    if (variant.name != "mask_takes_space" && variant.name != "mask_keeps_space") continue;
    SCOPED_TRACE(variant.name);
    const ByteLevelTokenizer tokenizer(kTokenizerFolder,
                                       {.mask_takes_space = variant.name == "mask_takes_space"});
    for (const TokenizerCase& c : variant.cases) {
      if (!c.second) expect_case(tokenizer, c);
    }
  }
}

TEST(Tokenizer, PrefixSpaceOverridesTheFile) {
  const ByteLevelTokenizer plain(kTokenizerFolder), prefixed(kTokenizerFolder, {.add_prefix_space = true});
  EXPECT_EQ(prefixed.encode("sea <s>sea"), plain.encode(" sea <s> sea"));
  EXPECT_NE(prefixed.encode("sea"), plain.encode("sea"));
  const Encoding encoding = prefixed.encode_with_ranges("sea");
  EXPECT_EQ(encoding.ranges, (std::vector<ByteRange>{{0, 0}, {0, 3}, {3, 3}}));
}

TEST(Tokenizer, KnowsItsTokens) {
  const ByteLevelTokenizer tokenizer(kTokenizerFolder);
  EXPECT_EQ(tokenizer.vocabulary_size(), 2048);
  EXPECT_EQ(tokenizer.special_ids().begin, 0);
  EXPECT_EQ(tokenizer.special_ids().padding, 1);
  EXPECT_EQ(tokenizer.special_ids().end, 2);
  EXPECT_EQ(tokenizer.special_ids().unknown, 3);
  EXPECT_EQ(tokenizer.special_ids().mask, 4);
  EXPECT_EQ(tokenizer.token(2039 - 6), "Ġdaughter");
  EXPECT_EQ(tokenizer.id_of("Ġdaughter"), 2033);
  EXPECT_EQ(tokenizer.id_of("daughterly"), std::nullopt);
  for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id)
    EXPECT_EQ(tokenizer.id_of(tokenizer.token(id)), id);
  EXPECT_ERROR_TEXT(tokenizer.token(2048), "token id 2048 is outside the vocabulary of 2048 tokens");
  EXPECT_ERROR_TEXT(tokenizer.token(-1), "token id -1");
  EXPECT_ERROR_TEXT(tokenizer.decode(std::vector<int32_t>{5, 9999}), "token id 9999");
}

TEST(Tokenizer, DecodeLeavesSpecialTokensOut) {
  const ByteLevelTokenizer tokenizer(kTokenizerFolder);
  const std::vector<int32_t> ids = tokenizer.encode("the <mask> sea");
  EXPECT_EQ(tokenizer.decode(ids), "<s>the<mask> sea</s>");
  EXPECT_EQ(tokenizer.decode(ids, true), "the sea");
  const ByteLevelTokenizer more(tokenizer_variants().back().definition);
  EXPECT_EQ(more.decode(more.encode("a two words <e1>"), true), "a two words ")
      << "it is added, but not special";
}

// Any text with no special token in it comes back byte for byte, and the ranges cut it without gaps.
TEST(Tokenizer, DecodeIsTheInverse) {
  const ByteLevelTokenizer tokenizer(kTokenizerFolder);
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_unicode(random, 40);
    const Encoding encoding = tokenizer.encode_with_ranges(text, kNoSpecialTokens);
    ASSERT_EQ(tokenizer.decode(encoding.ids), text);
    int64_t at = 0;
    for (const ByteRange& range : encoding.ranges) {
      ASSERT_EQ(range.begin, at);
      at = range.end;
    }
    ASSERT_EQ(at, static_cast<int64_t>(text.size()));
  }
}

TEST(Tokenizer, RangesOfDamagedTextAreThoseOfItsBytes) {
  const ByteLevelTokenizer tokenizer(kTokenizerFolder);
  const std::string text = "the\xFF sea\xE1\x80<mask>\xF0\x9F";
  const Encoding encoding = tokenizer.encode_with_ranges(text);
  EXPECT_EQ(encoding.ids, tokenizer.encode("the\uFFFD sea\uFFFD<mask>\uFFFD"));
  std::vector<std::string> parts;
  for (const ByteRange& range : encoding.ranges) {
    parts.push_back(
        text.substr(static_cast<size_t>(range.begin), static_cast<size_t>(range.end - range.begin)));
  }
  const std::vector<std::string> ff(3, "\xFF"), e1(3, "\xE1\x80"), f0(3, "\xF0\x9F");
  std::vector<std::string> expected = {"", "the"};
  expected.insert(expected.end(), ff.begin(), ff.end());
  expected.push_back(" sea");
  expected.insert(expected.end(), e1.begin(), e1.end());
  expected.push_back("<mask>");
  expected.insert(expected.end(), f0.begin(), f0.end());
  expected.push_back("");
  EXPECT_EQ(parts, expected);
}

TEST(Tokenizer, WhiteSpaceBelongsToOneToken) {
  const ByteLevelTokenizer tokenizer(tokenizer_variants().back().definition);
  // <e3> takes what follows, <mask> what is left before it.
  EXPECT_EQ(tokenizer.encode_with_ranges("<e3>  <mask>", kNoSpecialTokens).ranges,
            (std::vector<ByteRange>{{0, 6}, {6, 12}}));
  EXPECT_EQ(tokenizer.encode_with_ranges("<e1>  <mask>", kNoSpecialTokens).ranges,
            (std::vector<ByteRange>{{0, 4}, {4, 12}}));
}

// Words of any length give what a search of all pairs gives, and take no quadratic time.
TEST(Tokenizer, LongWords) {
  const ByteLevelTokenizer tokenizer(kTokenizerFolder);
  const std::vector<int32_t> ids = tokenizer.encode(std::string(1'000'000, 'a'), kNoSpecialTokens);
  EXPECT_EQ(tokenizer.decode(ids), std::string(1'000'000, 'a'));
  std::mt19937_64 random(11);
  for (int i = 0; i < 200; ++i) {
    std::string word;
    const size_t length = 1 + random() % 150;
    while (word.size() < length) word += "etaoinshrdlu"[random() % (1 + random() % 12)];
    EXPECT_EQ(tokenizer.encode(word, kNoSpecialTokens), merged_by_search(tokenizer.definition(), word))
        << word;
  }
}

TEST(Tokenizer, ThreadsShareIt) {
  const ByteLevelTokenizer tokenizer(kTokenizerFolder);
  std::mt19937_64 random(3);
  std::vector<std::string> texts;
  for (int i = 0; i < 2000; ++i) texts.push_back(random_unicode(random, 60));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto all = tokenizer.encode_all(views);
  const ByteLevelTokenizer alone(kTokenizerFolder);
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(all[i], alone.encode(texts[i])) << i;
}

TEST(PreTokenizer, CutsAsThePatternDoes) {
  const auto pieces = [](const std::string& text) {
    std::vector<std::string> result;
    for (const char* at = text.data(); at < text.data() + text.size();) {
      const char* next = piece_end(at, text.data() + text.size());
      result.emplace_back(at, next);
      at = next;
    }
    return result;
  };
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(pieces("I'm  fine, 3rd\n\n time "),
            (Pieces{"I", "'m", " ", " fine", ",", " 3", "rd", "\n\n", " time", " "}));
  EXPECT_EQ(pieces("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(pieces("a \n"), (Pieces{"a", " \n"}));
  EXPECT_EQ(pieces(" 's 'S"), (Pieces{" '", "s", " '", "S"}));
  for (const std::string space : {"\n", "\v", "\f", "\r", "\u00a0", "\u2028"})
    EXPECT_EQ(pieces(space + "\t b"), (Pieces{space + "\t", " b"})) << space;
  EXPECT_EQ(pieces("\u00e9\u0301x"), (Pieces{"\u00e9", "\u0301", "x"})) << "a combining mark is no letter";
}

TEST(UnicodeClasses, CountsOfUnicode16) {
  std::array<int, 4> counts{};
  for (int c = 0; c < 0x110000; ++c) ++counts[static_cast<size_t>(char_classes()[c])];
  EXPECT_EQ(counts[static_cast<size_t>(CharClass::kLetter)], 141'028);
  EXPECT_EQ(counts[static_cast<size_t>(CharClass::kNumber)], 1'911);
  EXPECT_EQ(counts[static_cast<size_t>(CharClass::kSpace)], 25);
}

TEST(Utf8, StepsAreMaximalSubparts) {
  const auto repaired = [](const std::string& bytes) { return std::string(RepairedText(bytes).text()); };
  EXPECT_EQ(repaired("\xF0\x9F\x98 \xF0\x9F\x98\x80"), "\uFFFD \U0001F600");
  EXPECT_EQ(repaired("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repaired("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(repaired("\xE1\x80\xE1"), "\uFFFD\uFFFD");
  EXPECT_EQ(first_invalid_utf8("plain ascii \xC3\xA9 and more"), 24u - 1u);
  EXPECT_EQ(first_invalid_utf8("plain ascii \xC3 and more"), 12u);
}

// The published files: both forms of roberta-base are the same tokenizer, and GPT-2's own files are read.
TEST(Tokenizer, PublishedFiles) {
  REQUIRE_SHARED(roberta, "data/tokenizers/roberta-base");
  REQUIRE_SHARED(gpt2, "data/tokenizers/gpt2_bpe");
  const ByteLevelTokenizer two_files(roberta + "/vocab.json"), one_file(roberta + "/tokenizer.json"),
      old(gpt2);
  EXPECT_EQ(one_file.vocabulary_size(), 50265);
  EXPECT_EQ(one_file.special_ids().mask, 50264);
  EXPECT_EQ(old.vocabulary_size(), 50257);
  EXPECT_EQ(old.special_ids().end, 50256);
  EXPECT_EQ(one_file.encode("Hello world"), (std::vector<int32_t>{0, 31414, 232, 2}));
  EXPECT_EQ(old.encode("Hello world<|endoftext|>"), (std::vector<int32_t>{15496, 995, 50256}));
  for (const TokenizerVariant& variant : tokenizer_variants()) {
    for (const TokenizerCase& c : variant.cases)
      EXPECT_EQ(two_files.encode(c.text), one_file.encode(c.text)) << c.shown;
  }
}

}  // namespace
}  // namespace lf
