// Other ways to write the same tokenizer, as files in the field have them. The expected ids are those of the
// tokenizers library (0.22), for a tokenizer made of the same vocabulary and merges.
#include <nlohmann/json.hpp>

#include <utility>

#include "data/tokenizer/byte_level_tokenizer.h"
#include "tests/data/tokenizer/tokenizer_cases.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

const Ids kMasked = {0, 69, 4, 286, 268, 266, 271, 306, 2};  // "a <mask> of the whale"
const std::string kText = "a <mask> of the whale";

json golden() { return tokenizer_variants().front().document; }

ByteLevelTokenizer tokenizer_of(const json& document) {
  return ByteLevelTokenizer(parse_tokenizer_json(json::parse(document.dump()), "t.json"));
}
std::string error_with(const json& document) {
  return error_of([&] { tokenizer_of(document); });
}

json special(const char* token) { return {{"SpecialToken", {{"id", token}, {"type_id", 0}}}}; }
json sequence(const char* name) { return {{"Sequence", {{"id", name}, {"type_id", 0}}}}; }
json roberta_template() {
  const json begin = special("<s>"), end = special("</s>"), a = sequence("A"), b = sequence("B");
  return {{"type", "TemplateProcessing"},
          {"single", {begin, a, end}},
          {"pair", {begin, a, end, end, b, end}},
          {"special_tokens",
           {{"<s>", {{"id", "<s>"}, {"ids", {0}}, {"tokens", {"<s>"}}}},
            {"</s>", {{"id", "</s>"}, {"ids", {2}}, {"tokens", {"</s>"}}}}}}};
}

TEST(TokenizerSpellings, BertProcessing) {
  json document = golden();
  document["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"</s>", 2}}, {"cls", {"<s>", 0}}};
  const ByteLevelTokenizer tokenizer = tokenizer_of(document);
  EXPECT_EQ(tokenizer.encode(kText), kMasked);
  EXPECT_EQ(tokenizer.encode_pair("a whale", "the sea"), (Ids{0, 69, 266, 271, 306, 2, 408, 2044, 2}));
}

TEST(TokenizerSpellings, TemplateProcessing) {
  json document = golden();
  document["post_processor"] = roberta_template();
  const Ids pair = {0, 69, 266, 271, 306, 2, 2, 408, 2044, 2};
  EXPECT_EQ(tokenizer_of(document).encode(kText), kMasked);
  EXPECT_EQ(tokenizer_of(document).encode_pair("a whale", "the sea"), pair);
  const json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  document["post_processor"] = {{"type", "Sequence"}, {"processors", {byte_level, roberta_template()}}};
  EXPECT_EQ(tokenizer_of(document).encode(kText), kMasked);
  EXPECT_EQ(tokenizer_of(document).encode_pair("a whale", "the sea"), pair);
}

TEST(TokenizerSpellings, TemplatesThatAreNoKnownRule) {
  json document = golden();
  document["post_processor"] = roberta_template();
  document["post_processor"]["single"] = {sequence("A"), special("</s>")};
  EXPECT_NE(error_with(document).find("t.json: post_processor: only templates <s> A </s>"),
            std::string::npos);
  document["post_processor"] = roberta_template();
  document["post_processor"]["special_tokens"]["<s>"]["ids"] = {7};
  EXPECT_NE(error_with(document).find("token \"<s>\" does not have id 7"), std::string::npos);
  document["post_processor"] = roberta_template();
  document["post_processor"]["single"][1] = sequence("C");
  EXPECT_NE(error_with(document).find("a sequence is A or B"), std::string::npos);
  document["post_processor"] = {{"type", "Sequence"},
                                {"processors", {roberta_template(), roberta_template()}}};
  EXPECT_NE(error_with(document).find("two processors put tokens around a text"), std::string::npos);
}

// They say how transformers makes batches, which sets both anew at each call.
TEST(TokenizerSpellings, TruncationAndPaddingChangeNoIds) {
  json document = golden();
  document["post_processor"] = roberta_template();
  document["truncation"] = {
      {"direction", "Right"}, {"max_length", 4}, {"strategy", "LongestFirst"}, {"stride", 0}};
  document["padding"] = {{"strategy", {{"Fixed", 8}}}, {"pad_id", 1}, {"pad_token", "<pad>"}};
  EXPECT_EQ(tokenizer_of(document).encode(kText), kMasked);
}

TEST(TokenizerSpellings, IdsMayHaveGaps) {
  json document = golden();
  document["post_processor"] = roberta_template();
  document["model"]["vocab"]["Ġunused"] = 2060;
  const ByteLevelTokenizer tokenizer = tokenizer_of(document);
  EXPECT_EQ(tokenizer.encode(kText), kMasked);
  EXPECT_EQ(tokenizer.vocabulary_size(), 2061);
  EXPECT_EQ(tokenizer.token(2060), "Ġunused");
  EXPECT_ERROR(tokenizer.decode(Ids{2055}), "no token has the id 2055");
  EXPECT_FALSE(tokenizer.id_of("").has_value());
  document["model"]["vocab"]["Ġunused"] = 1'000'000'000;
  EXPECT_NE(error_with(document).find("ids may have gaps, but no more than 100000"), std::string::npos);
}

TEST(TokenizerSpellings, StepsThatDoNothingOrOne) {
  json document = golden();
  document["post_processor"] = roberta_template();
  document["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  document["pre_tokenizer"] = {{"type", "Sequence"},
                               {"pretokenizers", json::array({golden()["pre_tokenizer"]})}};
  document["decoder"] = nullptr;
  EXPECT_EQ(tokenizer_of(document).encode(kText), kMasked);
  document["decoder"] = {{"type", "Sequence"}, {"decoders", json::array({golden()["decoder"]})}};
  EXPECT_EQ(tokenizer_of(document).encode(kText), kMasked);
  document["pre_tokenizer"]["pretokenizers"].push_back({{"type", "Digits"}});
  EXPECT_NE(error_with(document).find("pre_tokenizer.pretokenizers: needed a list of one step, ByteLevel"),
            std::string::npos);
}

class TwoFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"vocab.json", "merges.txt"})
      write_file_atomically(folder_ / name, read_file(kTokenizerFolder + "/" + name));
  }
  void write(const std::string& name, const json& content) {
    write_file_atomically(folder_ / name, content.dump());
  }
  Ids encode(const std::string& text) { return ByteLevelTokenizer(folder_.path()).encode(text); }

  TemporaryFolder folder_;
};

TEST_F(TwoFiles, AddedTokensJson) {
  const std::string text = "see [URL] the river";
  const Ids without = encode(text);
  write("added_tokens.json", json::object());
  EXPECT_EQ(encode(text), without);
  write("added_tokens.json", {{"<mask>", 4}});
  EXPECT_EQ(encode(text), without);
  write("added_tokens.json", {{"[URL]", 2048}});
  EXPECT_EQ(encode(text), (Ids{0, 321, 73, 225, 2048, 268, 1369, 329, 2}));
  write("added_tokens.json", {{"<mask>", 5}});
  EXPECT_ERROR(encode(text), "added_tokens.json: token \"<mask>\" has id 5 here and 4 in the vocabulary");
}

// transformers puts cls_token and sep_token around a text, whatever begins and ends a sequence elsewhere.
TEST_F(TwoFiles, BeginAndEndOfSequenceArePutAroundNothing) {
  const Ids expected = encode("hello");
  for (const json& config : {json{{"bos_token", "</s>"}, {"eos_token", "</s>"}}, json{{"bos_token", "<pad>"}},
                             json{{"eos_token", "<pad>"}}}) {
    write("tokenizer_config.json", config);
    EXPECT_EQ(encode("hello"), expected) << config;
  }
}

TEST_F(TwoFiles, AddedTokensGetTheNextIds) {
  write("added_tokens.json", {{"[URL]", 3000}});
  EXPECT_ERROR(encode("a"), "token \"[URL]\" has id 3000, but the tokenizers library would give it 2048");
  json document = golden();
  json token = document["added_tokens"][0];
  token["content"] = "[URL]", token["id"] = 2050;
  document["added_tokens"].push_back(token);
  EXPECT_NE(error_with(document).find("would give it 2048"), std::string::npos);
}

// A tokenizer whose special tokens are called otherwise: transformers takes the names from here.
TEST_F(TwoFiles, SpecialTokensByOtherNames) {
  json vocabulary = json::parse(read_file(folder_ / "vocab.json"));
  for (const auto& [name, other] :
       {std::pair{"<s>", "[CLS]"}, std::pair{"</s>", "[SEP]"}, std::pair{"<pad>", "[PAD]"},
        std::pair{"<unk>", "[UNK]"}, std::pair{"<mask>", "[MASK]"}}) {
    vocabulary[other] = vocabulary[name];
    vocabulary.erase(name);
  }
  write("vocab.json", vocabulary);
  write("tokenizer_config.json", {{"cls_token", "[CLS]"},
                                  {"sep_token", "[SEP]"},
                                  {"pad_token", "[PAD]"},
                                  {"unk_token", "[UNK]"},
                                  {"mask_token", "[MASK]"}});
  const ByteLevelTokenizer tokenizer(folder_.path());
  const SpecialIds expected{.begin = 0, .padding = 1, .end = 2, .unknown = 3, .mask = 4};
  EXPECT_EQ(tokenizer.special_ids(), expected);
  EXPECT_EQ(tokenizer.encode("of [MASK]").front(), 0);
  EXPECT_EQ(tokenizer.encode("of [MASK]").back(), 2);

  json document = golden();  // the same as tokenizer.json, which has no names for their meanings
  document["model"]["vocab"] = vocabulary;
  const char* names[] = {"[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"};
  for (size_t i = 0; i < 5; ++i) document["added_tokens"][i]["content"] = names[i];
  document["post_processor"] = {{"type", "RobertaProcessing"}, {"sep", {"[SEP]", 2}}, {"cls", {"[CLS]", 0}}};
  write("tokenizer.json", document);
  EXPECT_EQ(ByteLevelTokenizer(folder_.path()).special_ids(), expected);
}

json token(const char* content, bool strips) {
  return {{"__type", "AddedToken"}, {"content", content},  {"lstrip", strips},
          {"rstrip", strips},       {"normalized", false}, {"single_word", false}};
}

// The ids are those of transformers (5.24) for the same folders.
TEST_F(TwoFiles, TokensThatOtherFilesAdd) {
  const std::string text = "a <mask> of [URL] [DATE] the whale";
  const json mask = {{"__type", "AddedToken"}, {"content", "<mask>"}, {"lstrip", true},
                     {"rstrip", false},        {"normalized", false}, {"single_word", false}};
  const auto expect_ids = [&](const json& config, const json& map, const Ids& ids) {
    write("tokenizer_config.json", config);
    write("special_tokens_map.json", map);
    EXPECT_EQ(encode(text), ids) << config << map;
  };
  const json both = {{"additional_special_tokens", {"[URL]", "[DATE]"}}};
  expect_ids({{"mask_token", mask}}, both, {0, 69, 4, 286, 225, 2048, 225, 2049, 268, 266, 271, 306, 2});
  expect_ids({{"mask_token", mask}, {"additional_special_tokens", {"[DATE]", token("[URL]", true)}}},
             json::object(), {0, 69, 4, 286, 2049, 2048, 268, 266, 271, 306, 2});
  // A mask by another name, which is added first; <mask> is then text.
  expect_ids({{"mask_token", token("[URL]", false)}, {"additional_special_tokens", {"[DATE]"}}},
             json::object(),
             {0, 69, 225, 32, 81, 290, 79, 34, 286, 225, 2048, 225, 2049, 268, 266, 271, 306, 2});
  // Newer versions write added_tokens_decoder, and then look at no map.
  json known = mask, url = token("[URL]", false);
  known["special"] = url["special"] = true;
  expect_ids({{"added_tokens_decoder", {{"4", known}, {"2048", url}}}}, both,
             {0, 69, 4, 286, 225, 2048, 225, 63, 40, 37, 56, 41, 65, 268, 266, 271, 306, 2});
  expect_ids(
      {{"mask_token", "[DATE]"}}, {{"mask_token", "[URL]"}},
      {0, 69, 225, 32, 81, 290, 79, 34, 286, 225, 2048, 225, 63, 40, 37, 56, 41, 65, 268, 266, 271, 306, 2});
  expect_ids(
      {{"extra_special_tokens", {"[URL]"}}, {"additional_special_tokens", {"[DATE]"}}, {"mask_token", mask}},
      json::object(), {0, 69, 4, 286, 225, 2048, 225, 63, 40, 37, 56, 41, 65, 268, 266, 271, 306, 2});
  write("tokenizer_config.json", {{"added_tokens_decoder", {{"2050", url}}}});
  EXPECT_ERROR(encode(text), "token \"[URL]\" has the id 2048 in the tokenizer, or would get it");
}

TEST_F(TwoFiles, FurtherSpellingsOfTokens) {
  const std::string text = "see [URL] [DATE]";
  const Ids plain = encode(text);
  const auto ids_with = [&](const json& config, const json& map = json::object()) {
    write("tokenizer_config.json", config);
    write("special_tokens_map.json", map);
    return encode(text);
  };
  const Ids both = ids_with({{"additional_special_tokens", {"[URL]", "[DATE]"}}});
  EXPECT_NE(both, plain);
  // An empty newer list leaves the older one; of two older ones the configuration's counts; two newer are
  // one.
  EXPECT_EQ(ids_with({{"extra_special_tokens", json::object()},
                      {"additional_special_tokens", {"[URL]", "[DATE]"}}}),
            both);
  EXPECT_EQ(ids_with({{"additional_special_tokens", {"[URL]", "[DATE]"}}},
                     {{"additional_special_tokens", {"see"}}}),
            both);
  EXPECT_EQ(ids_with({{"extra_special_tokens", {"[URL]"}}}, {{"extra_special_tokens", {"[DATE]"}}}), both);
  EXPECT_EQ(ids_with({{"url_token", "[URL]"},
                      {"model_specific_special_tokens", {{"date", "[DATE]"}}},
                      {"add_bos_token", false}}),
            both);
  // In the file's order, not the keys'.
  write_file_atomically(folder_ / "tokenizer_config.json",
                        R"({"extra_special_tokens": {"zeta": "[URL]", "alpha": "[DATE]"}})");
  EXPECT_EQ(encode(text), both);
  const Ids as_gpt2 = ids_with({{"tokenizer_class", "GPT2Tokenizer"}});
  EXPECT_EQ(as_gpt2, Ids(plain.begin() + 1, plain.end() - 1)) << "nothing around the text";
  for (const char* other :
       {"DebertaTokenizer", "BlenderbotTokenizer", "BertTokenizerFast", "XLMRobertaTokenizer"})
    EXPECT_ERROR(ids_with({{"tokenizer_class", other}}),
                 std::string("tokenizer_config.json: tokenizer_class is \"") + other);
  EXPECT_EQ(ids_with({{"tokenizer_class", "PreTrainedTokenizerFast"}}), plain);
  EXPECT_ERROR(ids_with({{"tokenizer_class", "GPT2Tokenizer"}, {"add_bos_token", true}}),
               "add_bos_token is not false");
  EXPECT_EQ(ids_with({{"tokenizer_class", "GPT2Tokenizer"}, {"add_bos_token", false}}), as_gpt2);
  write("tokenizer_config.json", json::object());
  write("config.json", {{"model_type", "deberta"}});
  EXPECT_ERROR(encode("a"), "config.json: model_type is \"deberta\"");
  write("config.json", {{"model_type", "roberta"}});
  EXPECT_ERROR(ids_with({{"split_special_tokens", true}}), "split_special_tokens is not false");
  write("tokenizer_config.json", {{"mask_token", nullptr}});
  EXPECT_EQ(ByteLevelTokenizer(folder_.path()).encode("a <mask>", false).size(), 7u) << "text like any other";
}

TEST_F(TwoFiles, WhatStandsBesideTokenizerJson) {
  json document = golden();
  document["post_processor"] = roberta_template();
  write("tokenizer.json", document);
  write("special_tokens_map.json", {{"additional_special_tokens", {"[URL]"}}});
  EXPECT_EQ(encode("see [URL] the river"), (Ids{0, 321, 73, 225, 2048, 268, 1369, 329, 2}));
  write("tokenizer_config.json", {{"add_prefix_space", true}});
  const Ids spaced = encode("the whale");
  EXPECT_EQ(spaced, (Ids{0, 268, 266, 271, 306, 2}));
  const TokenizerOptions without{.add_prefix_space = false};
  const Ids without_space = ByteLevelTokenizer(folder_.path(), without).encode("the whale");
  EXPECT_NE(without_space, spaced);
  write("tokenizer_config.json", {{"tokenizer_class", "RobertaTokenizer"}});
  EXPECT_EQ(encode("the whale"), without_space) << "the class's own default";
  document["post_processor"] = nullptr;
  write("tokenizer.json", document);
  EXPECT_EQ(encode("the whale"), without_space) << "which puts <s> and </s> around a text";
  write("added_tokens.json", {{"[DATE]", 2048}});
  write("special_tokens_map.json", json::object());
  EXPECT_EQ(encode("[DATE]"), (Ids{0, 2048, 2}));
  document["post_processor"] = roberta_template();
  write("tokenizer.json", document);
  write("tokenizer_config.json", {{"cls_token", "<pad>"}});
  EXPECT_ERROR(encode("a"), "puts \"<s>\" around a text, but cls_token is \"<pad>\"");
}

}  // namespace
}  // namespace lf
