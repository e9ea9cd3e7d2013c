#include "data/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/json.h"

namespace lf {
namespace {

using nlohmann::json;

// An object of the file with its place in it, for messages: "PATH: model".
class Section {
 public:
  Section(const json& value, std::string who) : value_(value), who_(std::move(who)) {
    CHECK(value_.is_object(), who_, " is ", value_.type_name(), ", needed an object");
  }

  // Throws for keys other than these.
  void allow(std::initializer_list<const char*> keys) const {
    for (const auto& [key, value] : value_.items()) {
      const bool known = std::find(keys.begin(), keys.end(), key) != keys.end();
      CHECK(known, who_, ": ", escaped(key), " is not known to Longform");
    }
  }
  bool has(const char* key) const { return value_.contains(key) && !value_.at(key).is_null(); }
  const json& at(const char* key) const {
    CHECK(value_.contains(key), who_, ".", key, " is missing");
    return value_.at(key);
  }
  std::string text(const char* key) const {
    CHECK(at(key).is_string(), who_, ".", key, " is ", at(key).type_name(), ", needed a text");
    return at(key).get<std::string>();
  }
  bool flag(const char* key) const {
    CHECK(at(key).is_boolean(), who_, ".", key, " is ", at(key).type_name(), ", needed true or false");
    return at(key).get<bool>();
  }
  bool flag(const char* key, bool absent) const { return has(key) ? flag(key) : absent; }
  // Throws unless the key is absent or null.
  void must_be_absent(const char* key) const {
    CHECK(!has(key), who_, ".", key, " is not supported; needed null");
  }
  // Throws unless the key is absent, null or equal to the only value that is implemented.
  void must_be(const char* key, const json& only) const {
    if (!has(key) || at(key) == only) return;
    // All ASCII, so that it may be cut anywhere.
    const std::string given = at(key).dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 80);
    throw Error(lf::text(who_, ".", key, " is ", given, "; only ", only.dump(), " is supported"));
  }
  const std::string& who() const { return who_; }

 private:
  const json& value_;
  std::string who_;
};

int32_t parse_id(const json& value, const std::string& who) {
  constexpr auto kLargest = static_cast<uint64_t>(std::numeric_limits<int32_t>::max());
  CHECK(value.is_number_unsigned() && value.get<uint64_t>() <= kLargest, who,
        " must be a whole number from 0 to 2^31 - 1");
  return value.get<int32_t>();
}

// "left right", or ["left", "right"] as newer versions of the library write it.
Merge parse_merge(const json& value, const TokenIds& ids, const std::string& place) {
  if (value.is_array()) {
    CHECK(value.size() == 2 && value[0].is_string() && value[1].is_string(), place,
          ": a merge is a list of two texts");
    return make_merge(value[0].get<std::string>(), value[1].get<std::string>(), ids, place);
  }
  CHECK(value.is_string(), place, ": a merge is a text or a list of two, not ", value.type_name());
  const std::string merge = value.get<std::string>();
  const size_t space = merge.find(' ');
  CHECK(space != merge.npos && merge.find(' ', space + 1) == merge.npos, place,
        ": a merge is two tokens with ", "one space between, not ", escaped(merge));
  return make_merge(merge.substr(0, space), merge.substr(space + 1), ids, place);
}

void check_model(const Section& model) {
  model.allow({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
               "byte_fallback", "ignore_merges", "vocab", "merges"});
  model.must_be("type", "BPE");
  model.must_be("dropout", 0.0);
  model.must_be("continuing_subword_prefix", "");
  model.must_be("end_of_word_suffix", "");
  model.must_be("ignore_merges", false);
  // With a token for each byte nothing is unknown, so that these three decide nothing.
  if (model.has("unk_token")) model.text("unk_token");
  model.flag("fuse_unk", false);
  model.flag("byte_fallback", false);
}

// What a Sequence of a single step does is that step.
bool is_sequence_of_one(const Section& rules, const char* list) {
  if (rules.text("type") != "Sequence") return false;
  const json& steps = rules.at(list);
  rules.allow({"type", list});
  CHECK(steps.is_array() && steps.size() == 1, rules.who(), ".", list,
        ": needed a list of one step, ByteLevel; others are not supported");
  return true;
}

bool parse_pre_tokenizer(const Section& rules) {
  constexpr const char* kSteps = "pretokenizers";
  if (is_sequence_of_one(rules, kSteps))
    return parse_pre_tokenizer(Section(rules.at(kSteps)[0], text(rules.who(), ".", kSteps, "[0]")));
  rules.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  CHECK(rules.text("type") == "ByteLevel", rules.who(), ".type is ", escaped(rules.text("type")),
        "; only \"ByteLevel\" is supported");
  rules.must_be("use_regex", true);
  rules.flag("trim_offsets", true);  // offsets only
  return rules.flag("add_prefix_space");
}

// It decides no ids.
void check_decoder(const Section& decoder) {
  constexpr const char* kSteps = "decoders";
  if (is_sequence_of_one(decoder, kSteps))
    return check_decoder(Section(decoder.at(kSteps)[0], text(decoder.who(), ".", kSteps, "[0]")));
  decoder.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  decoder.must_be("type", "ByteLevel");
  // The library's own decoder looks at none of these.
  for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) decoder.flag(key, true);
}

// {"type": "Sequence", "normalizers": []}: nothing is done.
bool is_empty_sequence(const Section& top, const char* key) {
  const json nothing = {{"type", "Sequence"}, {"normalizers", json::array()}};
  return top.has(key) && top.at(key) == nothing;
}

void check_id(const std::string& token, int32_t id, const TokenIds& ids, const std::string& who) {
  const auto found = ids.find(token);
  CHECK(found != ids.end() && found->second == id, who, ": token ", escaped(token), " does not have id ", id,
        " in the vocabulary");
}

// ["</s>", 2]: a token and its id, which must agree.
int32_t parse_end(const Section& rules, const char* key, const TokenIds& ids) {
  const json& value = rules.at(key);
  const std::string who = rules.who() + "." + key;
  CHECK(value.is_array() && value.size() == 2 && value[0].is_string(), who, " must be [\"token\", id]");
  const int32_t id = parse_id(value[1], who + "[1]");
  check_id(value[0].get<std::string>(), id, ids, who);
  return id;
}

// The id of a special token of a template, whose ids stand beside it.
int32_t parse_template_token(const Section& rules, const std::string& name, const TokenIds& ids) {
  const std::string who = rules.who() + ".special_tokens";
  const Section known(rules.at("special_tokens"), who);
  CHECK(known.has(name.c_str()), who, " does not have ", escaped(name));
  const Section token(known.at(name.c_str()), who + "." + escaped(name));
  const json& list = token.at("ids");
  CHECK(list.is_array() && list.size() == 1, token.who(), ".ids must hold one id");
  const int32_t id = parse_id(list[0], token.who() + ".ids[0]");
  check_id(name, id, ids, token.who());
  return id;
}

// The ids and sequences of a template: kFirst and kSecond stand for the texts.
constexpr int32_t kFirst = -1, kSecond = -2;
std::vector<int32_t> parse_template(const Section& rules, const char* key, const TokenIds& ids) {
  const json& list = rules.at(key);
  CHECK(list.is_array(), rules.who(), ".", key, " is ", list.type_name(), ", needed a list");
  std::vector<int32_t> pieces;
  for (size_t i = 0; i < list.size(); ++i) {
    const Section piece(list[i], text(rules.who(), ".", key, "[", i, "]"));
    piece.allow({"SpecialToken", "Sequence"});
    const bool is_text = piece.has("Sequence");
    const Section about(piece.at(is_text ? "Sequence" : "SpecialToken"), piece.who());
    const std::string name = about.text("id");
    CHECK(!is_text || name == "A" || name == "B", about.who(), ": a sequence is A or B, not ", escaped(name));
    pieces.push_back(is_text ? (name == "A" ? kFirst : kSecond) : parse_template_token(rules, name, ids));
  }
  return pieces;
}

// A template that is the rule of RoBERTa or of BERT, or puts nothing around a text.
std::optional<SequenceEnds> parse_template_processor(const Section& rules, const TokenIds& ids) {
  rules.allow({"type", "single", "pair", "special_tokens"});
  const std::vector<int32_t> single = parse_template(rules, "single", ids),
                             pair = parse_template(rules, "pair", ids);
  if (single == std::vector{kFirst} && pair == std::vector{kFirst, kSecond}) return std::nullopt;
  if (single.size() == 3 && single[1] == kFirst) {
    const int32_t begin = single[0], end = single[2];
    if (pair == std::vector{begin, kFirst, end, end, kSecond, end}) return SequenceEnds{begin, end};
    if (pair == std::vector{begin, kFirst, end, kSecond, end}) return SequenceEnds{begin, end, 1};
  }
  throw Error(
      rules.who() +
      ": only templates <s> A </s> with pairs <s> A </s></s> B </s> or <s> A </s> B </s> are supported");
}

std::optional<SequenceEnds> parse_post_processor(const Section& rules, const TokenIds& ids) {
  const std::string type = rules.text("type");
  rules.flag("trim_offsets", true);      // offsets only
  rules.flag("add_prefix_space", true);  // offsets only
  if (type == "ByteLevel") {
    rules.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    rules.flag("use_regex", true);
    return std::nullopt;
  }
  if (type == "TemplateProcessing") return parse_template_processor(rules, ids);
  if (type == "Sequence") {
    rules.allow({"type", "processors"});
    const json& list = rules.at("processors");
    CHECK(list.is_array(), rules.who(), ".processors is ", list.type_name(), ", needed a list");
    std::optional<SequenceEnds> ends;
    for (size_t i = 0; i < list.size(); ++i) {
      const Section inner(list[i], text(rules.who(), ".processors[", i, "]"));
      CHECK(inner.text("type") != "Sequence", inner.who(), ": a sequence within a sequence is not supported");
      const std::optional<SequenceEnds> more = parse_post_processor(inner, ids);
      CHECK(!ends || !more, inner.who(), ": two processors put tokens around a text; only one is supported");
      if (more) ends = more;
    }
    return ends;
  }
  CHECK(type == "RobertaProcessing" || type == "BertProcessing", rules.who(), ".type is ", escaped(type),
        "; only RobertaProcessing, BertProcessing, TemplateProcessing, ByteLevel and a Sequence of them are "
        "supported");
  rules.allow({"type", "sep", "cls", "add_prefix_space", "trim_offsets"});
  return SequenceEnds{parse_end(rules, "cls", ids), parse_end(rules, "sep", ids),
                      type == "BertProcessing" ? 1 : 2};
}

// Adds the tokens to the ids; one that the vocabulary has already must have the same id there.
std::vector<AddedToken> parse_added_tokens(const json& list, TokenIds& ids, const std::string& path) {
  CHECK(list.is_array(), path, ": added_tokens is ", list.type_name(), ", needed a list");
  std::vector<AddedToken> result;
  auto next = static_cast<int32_t>(ids.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string who = text(path, ": added_tokens[", i, "]");
    AddedToken token = parse_added_token(list[i], who);
    token.id = parse_id(Section(list[i], who).at("id"), who + ".id");
    const auto [found, is_new] = ids.emplace(token.content, token.id);
    CHECK(is_new || found->second == token.id, who, ": token ", escaped(token.content), " has id ", token.id,
          " here and ", found->second, " in the vocabulary");
    if (is_new && !token.content.empty()) check_added_id(token.content, token.id, next++, who);
    result.push_back(std::move(token));
  }
  return result;
}

}  // namespace

TokenIds parse_vocabulary(const json& value, const std::string& source) {
  CHECK(value.is_object(), source, " is ", value.type_name(), ", needed an object {\"token\": id}");
  CHECK(!value.empty(), source, " is empty");
  TokenIds ids;
  ids.reserve(value.size());
  for (const auto& [token, id] : value.items()) {
    ids.emplace(token, parse_id(id, source + ": the id of " + escaped(token)));
  }
  return ids;
}

AddedToken parse_added_token(const json& value, const std::string& who) {
  const Section fields(value, who);
  fields.allow({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special", "__type"});
  CHECK(!fields.flag("single_word"), who, ".single_word is true; only false is supported");
  return {.content = fields.text("content"),
          .special = fields.flag("special", true),  // absent in old tokenizer_config.json only
          .normalized = fields.flag("normalized"),
          .strip_left = fields.flag("lstrip"),
          .strip_right = fields.flag("rstrip")};
}

TokenizerDefinition parse_tokenizer_json(const json& document, const std::string& path, TokenIds* all_ids) {
  const Section top(document, path + ": tokenizer");
  top.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
             "post_processor", "decoder", "model"});
  top.must_be("version", "1.0");
  // "truncation" and "padding" say how to make batches, not which ids: transformers sets them at every call.
  if (!is_empty_sequence(top, "normalizer")) top.must_be_absent("normalizer");
  const Section model(top.at("model"), path + ": model");
  check_model(model);

  TokenizerDefinition result;
  result.source = path;
  TokenIds ids = parse_vocabulary(model.at("vocab"), path + ": model.vocab");
  const TokenIds model_ids = ids;  // merges may not name added tokens
  if (top.has("added_tokens")) result.added = parse_added_tokens(top.at("added_tokens"), ids, path);
  result.tokens = tokens_by_id(ids, path);
  const json& merges = model.at("merges");
  CHECK(merges.is_array(), path, ": model.merges is ", merges.type_name(), ", needed a list");
  for (size_t i = 0; i < merges.size(); ++i) {
    result.merges.push_back(parse_merge(merges[i], model_ids, text(path, ": model.merges[", i, "]")));
  }
  result.add_prefix_space = parse_pre_tokenizer(Section(top.at("pre_tokenizer"), path + ": pre_tokenizer"));
  if (top.has("decoder")) check_decoder(Section(top.at("decoder"), path + ": decoder"));
  if (top.has("post_processor")) {
    result.ends = parse_post_processor(Section(top.at("post_processor"), path + ": post_processor"), ids);
  }
  check_definition(result);
  if (all_ids) *all_ids = std::move(ids);
  return result;
}

}  // namespace lf
