// What is wrong with a tokenizer's files is said by name and place: vocab.json, merges.txt, tokenizer.json,
// tokenizer_config.json.
#include "data/tokenizer/tokenizer_files.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "data/tokenizer/utf8.h"
#include "tests/data/tokenizer/tokenizer_cases.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

using nlohmann::json;

VocabularyFiles good_files() {
  VocabularyFiles files;
  files.vocabulary_path = "vocab.json", files.merges_path = "merges.txt";
  files.beside.config_path = "config.json";
  files.vocabulary = read_file(kTokenizerFolder + "/vocab.json");
  files.merges = read_file(kTokenizerFolder + "/merges.txt");
  return files;
}

// The error of the files after a change.
std::string files_error(const std::function<void(VocabularyFiles&)>& change) {
  VocabularyFiles files = good_files();
  change(files);
  return error_of([&] { parse_vocabulary_files(files); });
}

std::string with_vocabulary(const std::string& from, const std::string& to) {
  return files_error([&](VocabularyFiles& files) { files.vocabulary = with(files.vocabulary, from, to); });
}

std::string with_merges(const std::string& from, const std::string& to) {
  return files_error([&](VocabularyFiles& files) { files.merges = with(files.merges, from, to); });
}

std::string with_config(const std::string& config) {
  return files_error([&](VocabularyFiles& files) { files.beside.config = config; });
}

// The error of the golden tokenizer.json after a change of its document.
std::string json_error(const std::function<void(json&)>& change) {
  json document = tokenizer_variants().front().document;
  change(document);
  // Numbers as a file has them.
  return error_of([&] { parse_tokenizer_json(json::parse(document.dump()), "t.json"); });
}

TEST(TokenizerFiles, GoodOnesAreRead) {
  EXPECT_EQ(files_error([](VocabularyFiles&) {}), "");
  EXPECT_EQ(json_error([](json&) {}), "");
}

TEST(TokenizerFiles, WrongVocabularies) {
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"!\":5,"), "vocab.json:1:56: not valid JSON");
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"!\":\"5\""),
            "vocab.json: the id of \"!\" must be a whole number from 0 to 2^31 - 1");
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"!\":-5"),
            "vocab.json: the id of \"!\" must be a whole number from 0 to 2^31 - 1");
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"!\":5.0"),
            "vocab.json: the id of \"!\" must be a whole number from 0 to 2^31 - 1");
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"!\":2147483648"),
            "vocab.json: the id of \"!\" must be a whole number from 0 to 2^31 - 1");
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"!\":6"), "vocab.json: id 6 belongs to both \"!\" and \"\\\"\"");
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"!\":102048"),
            "vocab.json: token \"!\" has id 102048, of only 2048 tokens; ids may have gaps, but no more than "
            "100000");
  EXPECT_EQ(with_vocabulary("\"!\":5", "\"#\":5"), "vocab.json: \"#\" appears twice in one object");
  EXPECT_EQ(with_vocabulary("\"Ā\":", "\"ĀĀ\":"),
            "vocab.json: no token \"\\u0100\" for byte 0; a byte-level vocabulary has one for each of the "
            "256 bytes");
  EXPECT_EQ(files_error([](VocabularyFiles& f) { f.vocabulary = ""; }), "vocab.json: the file is empty");
  EXPECT_EQ(files_error([](VocabularyFiles& f) { f.vocabulary = "{}"; }), "vocab.json is empty");
  EXPECT_EQ(files_error([](VocabularyFiles& f) { f.vocabulary = "[]"; }),
            "vocab.json is array, needed an object {\"token\": id}");
  EXPECT_EQ(files_error([](VocabularyFiles& f) { f.vocabulary = "{\n \"a\xFF\": 1}"; }),
            "vocab.json:2:4: not valid JSON: bytes that are no UTF-8");
  EXPECT_EQ(files_error([](VocabularyFiles& f) { f.vocabulary = std::string("{}\0", 3); }),
            "vocab.json:1:3: not valid JSON: a zero byte");
}

TEST(TokenizerFiles, WrongMerges) {
  const std::string two_tokens = "needed two tokens with one space between, not ";
  EXPECT_EQ(with_merges("\nh e\n", "\nh e x\n"), "merges.txt:3: " + two_tokens + "\"h e x\"");
  EXPECT_EQ(with_merges("\nh e\n", "\nhe\n"), "merges.txt:3: " + two_tokens + "\"he\"");
  EXPECT_EQ(with_merges("\nh e\n", "\n\n"), "merges.txt:3: " + two_tokens + "\"\"");
  EXPECT_EQ(with_merges("\nh e\n", "\nh \n"), "merges.txt:3: a merge joins two tokens, and one is empty");
  EXPECT_EQ(
      with_merges("\nh e\n", "\nh qqq\n"),
      "merges.txt:3: the merge of \"h\" and \"qqq\" needs the token \"qqq\", which is not in the vocabulary");
  EXPECT_EQ(
      with_merges("\nh e\n", "\nq q\n"),
      "merges.txt:3: the merge of \"q\" and \"q\" needs the token \"qq\", which is not in the vocabulary");
  EXPECT_EQ(with_merges("\nh e\n", "\nĠ t\n"),
            "merges.txt:3: the merge \"\\u0120 t\" is given in line 2 already");
  EXPECT_EQ(with_merges("\nh e\n", "\nh \xFF\n"), "merges.txt:3: not UTF-8");
  EXPECT_EQ(files_error([](VocabularyFiles& f) { f.merges = ""; }), "merges.txt: holds no merges");
  EXPECT_EQ(files_error([](VocabularyFiles& f) { f.merges = "#version: 0.2\n"; }),
            "merges.txt: holds no merges");
}

TEST(TokenizerFiles, LineEndsOfOtherSystems) {
  VocabularyFiles files = good_files();
  const size_t merges = parse_vocabulary_files(files).merges.size();
  for (size_t at = 0; (at = files.merges.find('\n', at)) != files.merges.npos; at += 2)
    files.merges.insert(at, "\r");
  EXPECT_EQ(parse_vocabulary_files(files).merges.size(), merges);
  EXPECT_EQ(merges, 1787u);
}

TEST(TokenizerFiles, Configurations) {
  VocabularyFiles files = good_files();
  files.beside.config = R"({"model_max_length": 512, "add_prefix_space": true, "bos_token": "<s>",
    "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": false, "rstrip": true,
                   "normalized": true, "single_word": false}})";
  const TokenizerDefinition definition = parse_vocabulary_files(files);
  EXPECT_TRUE(definition.add_prefix_space);
  const AddedToken& mask = definition.added.back();
  EXPECT_EQ(mask.content, "<mask>");
  EXPECT_EQ(mask.id, 4);
  EXPECT_FALSE(mask.strip_left);
  EXPECT_TRUE(mask.strip_right && mask.normalized && mask.special);
  EXPECT_FALSE(parse_vocabulary_files(files, {.add_prefix_space = false}).add_prefix_space);

  EXPECT_EQ(with_config("{"), "config.json:1:2: not valid JSON");
  EXPECT_EQ(with_config("[]"), "config.json is array, needed an object");
  EXPECT_EQ(with_config(R"({"add_prefix_space": 1})"),
            "config.json: add_prefix_space is number, needed true or false");
  EXPECT_EQ(with_config(R"({"bos_token": ""})"), "config.json: bos_token is empty");
  EXPECT_EQ(with_config(R"({"bos_token": 0})"),
            "config.json: bos_token is number, needed a text or an object");
  EXPECT_EQ(with_config(R"({"mask_token": {"content": "<mask>"}})"),
            "config.json: mask_token.single_word is missing");
  EXPECT_EQ(with_config(R"({"added_tokens_decoder": []})"),
            "config.json: added_tokens_decoder is array, needed an object");
  EXPECT_EQ(with_config(R"({"added_tokens_decoder": {"x": "[URL]"}})"),
            "config.json: added_tokens_decoder: \"x\" is no id");
  EXPECT_EQ(with_config(R"({"additional_special_tokens": "[URL]"})"),
            "config.json: additional_special_tokens is string, needed a list");
  EXPECT_EQ(with_config(R"({"additional_special_tokens": [3]})"),
            "config.json: additional_special_tokens: 0 is number, needed a text or an object");
}

TEST(TokenizerFiles, WrongTokenizerJson) {
  EXPECT_EQ(json_error([](json& d) { d = 3; }), "t.json: tokenizer is number, needed an object");
  EXPECT_EQ(json_error([](json& d) { d["extra"] = 1; }),
            "t.json: tokenizer: \"extra\" is not known to Longform");
  EXPECT_EQ(json_error([](json& d) { d["version"] = "2.0"; }),
            "t.json: tokenizer.version is \"2.0\"; only \"1.0\" is supported");
  EXPECT_EQ(json_error([&](json& d) { d["normalizer"] = json::object(); }),
            "t.json: tokenizer.normalizer is not supported; needed null");
  for (const std::string key : {"model", "pre_tokenizer", "decoder"}) {
    const std::string missing = key == "decoder" ? "" : "t.json: tokenizer." + key + " is missing";
    EXPECT_EQ(json_error([&](json& d) { d.erase(key); }), missing) << key;
    EXPECT_EQ(json_error([&](json& d) { d[key] = 3; }), "t.json: " + key + " is number, needed an object");
  }
  for (const std::string key : {"vocab", "merges"}) {
    EXPECT_EQ(json_error([&](json& d) { d["model"].erase(key); }), "t.json: model." + key + " is missing");
  }
  EXPECT_EQ(json_error([](json& d) { d["model"]["type"] = "Unigram"; }),
            "t.json: model.type is \"Unigram\"; only \"BPE\" is supported");
  EXPECT_EQ(json_error([](json& d) { d["model"]["dropout"] = 0.1; }),
            "t.json: model.dropout is 0.1; only 0.0 is supported");
  EXPECT_EQ(json_error([](json& d) { d["model"]["ignore_merges"] = true; }),
            "t.json: model.ignore_merges is true; only false is supported");
  EXPECT_EQ(json_error([](json& d) { d["model"]["end_of_word_suffix"] = "</w>"; }),
            "t.json: model.end_of_word_suffix is \"</w>\"; only \"\" is supported");
  EXPECT_EQ(json_error([](json& d) { d["model"]["new"] = 1; }),
            "t.json: model: \"new\" is not known to Longform");
  EXPECT_EQ(json_error([](json& d) { d["model"]["vocab"] = 1; }),
            "t.json: model.vocab is number, needed an object {\"token\": id}");
}

TEST(TokenizerFiles, WrongRules) {
  EXPECT_EQ(json_error([](json& d) { d["pre_tokenizer"]["type"] = "Digits"; }),
            "t.json: pre_tokenizer.type is \"Digits\"; only \"ByteLevel\" is supported");
  EXPECT_EQ(json_error([](json& d) { d["pre_tokenizer"]["use_regex"] = false; }),
            "t.json: pre_tokenizer.use_regex is false; only true is supported");
  EXPECT_EQ(json_error([](json& d) { d["pre_tokenizer"]["add_prefix_space"] = "no"; }),
            "t.json: pre_tokenizer.add_prefix_space is string, needed true or false");
  EXPECT_EQ(json_error([](json& d) { d["decoder"]["type"] = "WordPiece"; }),
            "t.json: decoder.type is \"WordPiece\"; only \"ByteLevel\" is supported");
  EXPECT_EQ(json_error([](json& d) { d["post_processor"]["type"] = "NewProcessing"; }),
            "t.json: post_processor.type is \"NewProcessing\"; only RobertaProcessing, BertProcessing, "
            "TemplateProcessing, ByteLevel and a Sequence of them are supported");
  EXPECT_EQ(json_error([](json& d) {
              d["post_processor"]["cls"] = json::array({"<s>", 7});
            }),
            "t.json: post_processor.cls: token \"<s>\" does not have id 7 in the vocabulary");
  EXPECT_EQ(json_error([](json& d) { d["post_processor"]["sep"] = "</s>"; }),
            "t.json: post_processor.sep must be [\"token\", id]");
}

TEST(TokenizerFiles, WrongMergesInTokenizerJson) {
  const auto merge_error = [](const json& merge) {
    return json_error([&](json& d) { d["model"]["merges"][1] = merge; });
  };
  EXPECT_EQ(merge_error({"h", "e"}), "") << "the newer form";
  EXPECT_EQ(merge_error("h  e"),
            "t.json: model.merges[1]: a merge is two tokens with one space between, not \"h  e\"");
  EXPECT_EQ(merge_error(5), "t.json: model.merges[1]: a merge is a text or a list of two, not number");
  EXPECT_EQ(merge_error({"h", "e", "r"}), "t.json: model.merges[1]: a merge is a list of two texts");
  EXPECT_EQ(merge_error("Ġ t"), "t.json: the merge of \"\\u0120\" and \"t\" is given twice");
  EXPECT_EQ(merge_error("<e9> x"),
            "t.json: model.merges[1]: the merge of \"<e9>\" and \"x\" needs the token \"<e9>\", which is not "
            "in the "
            "vocabulary");
}

TEST(TokenizerFiles, WrongAddedTokens) {
  const auto added_error = [](const std::string& key, const json& value) {
    return json_error([&](json& d) { d["added_tokens"][4][key] = value; });
  };
  EXPECT_EQ(added_error("id", 5),
            "t.json: added_tokens[4]: token \"<mask>\" has id 5 here and 4 in the vocabulary");
  EXPECT_EQ(added_error("id", "4"), "t.json: added_tokens[4].id must be a whole number from 0 to 2^31 - 1");
  EXPECT_EQ(
      added_error("content", "<new>"),
      "t.json: added_tokens[4]: token \"<new>\" has id 4, but the tokenizers library would give it 2048, the "
      "next free one");
  EXPECT_EQ(added_error("single_word", true),
            "t.json: added_tokens[4].single_word is true; only false is supported");
  EXPECT_EQ(added_error("lstrip", 1), "t.json: added_tokens[4].lstrip is number, needed true or false");
  EXPECT_EQ(added_error("other", 1), "t.json: added_tokens[4]: \"other\" is not known to Longform");
  EXPECT_EQ(json_error([](json& d) { d["added_tokens"].push_back(d["added_tokens"][4]); }),
            "t.json: the added token \"<mask>\" is given twice");
  EXPECT_EQ(json_error([](json& d) {
              d["added_tokens"][4]["content"] = "";
              d["added_tokens"][4]["id"] = 2048;
            }),
            "t.json: the token with id 2048 is empty");
  EXPECT_EQ(json_error([](json& d) { d["added_tokens"] = 1; }),
            "t.json: added_tokens is number, needed a list");
}

// An added token is text also where the byte alphabet has all its characters, so that decoding is the
// inverse.
TEST(TokenizerFiles, AddedTokensAreText) {
  json document = tokenizer_variants().front().document;
  json token = document["added_tokens"][0];
  token["content"] = "été", token["id"] = 2048;
  document["added_tokens"].push_back(token);
  const ByteLevelTokenizer tokenizer(parse_tokenizer_json(json::parse(document.dump()), "t.json"));
  const std::vector<int32_t> ids = tokenizer.encode("l'été é", false);
  EXPECT_TRUE(std::find(ids.begin(), ids.end(), 2048) != ids.end());
  EXPECT_EQ(tokenizer.decode(ids), "l'été é");
}

TEST(TokenizerFiles, FoldersAndFiles) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& name) {
    return error_of([&] { ByteLevelTokenizer(folder / name); });
  };
  const auto copy = [&](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(kTokenizerFolder + "/" + from, folder / to);
  };
  EXPECT_EQ(error("nowhere"), folder / "nowhere does not exist");
  EXPECT_EQ(error(""),
            folder.path() + "/ holds no tokenizer: needed tokenizer.json, or vocab.json and merges.txt");
  copy("vocab.json", "vocab.json");
  EXPECT_EQ(error(""), folder / "vocab.json needs merges.txt beside it");
  copy("merges.txt", "merges.txt");
  for (const char* name : {"", "vocab.json", "merges.txt"}) EXPECT_EQ(error(name), "") << name;
  write_file_atomically(folder / "tokenizer_config.json", "{\"add_prefix_space\": true}");
  EXPECT_TRUE(ByteLevelTokenizer(folder.path()).definition().add_prefix_space);
  write_file_atomically(folder / "tokenizer.json", "{}\n{");
  EXPECT_EQ(error(""), folder / "tokenizer.json:2:1: not valid JSON") << "tokenizer.json comes first";
  write_file_atomically(folder / "tokenizer.json", tokenizer_variants()[2].document.dump());
  EXPECT_TRUE(ByteLevelTokenizer(folder / "tokenizer.json").definition().add_prefix_space);
  EXPECT_FALSE(ByteLevelTokenizer(folder.path(), {.add_prefix_space = false}).definition().add_prefix_space);
}

}  // namespace
}  // namespace lf
