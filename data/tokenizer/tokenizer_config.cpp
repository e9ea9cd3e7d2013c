#include "data/tokenizer/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer_json.h"

namespace lf {
namespace {

using nlohmann::json;

// In the order in which transformers adds those that are missing, each with its usual name.
struct Key {
  const char *key, *usual;
};
constexpr std::array kKeys = {
    Key{"bos_token", "<s>"},   Key{"eos_token", "</s>"}, Key{"unk_token", "<unk>"},  Key{"sep_token", "</s>"},
    Key{"pad_token", "<pad>"}, Key{"cls_token", "<s>"},  Key{"mask_token", "<mask>"}};
constexpr const char* kDecoder = "added_tokens_decoder";

// "<mask>" or {"content": "<mask>", "lstrip": true, ...}: a special token and, in the second form, how it
// treats white space.
void add_token(const json& value, const std::string& who, bool rules_count, TokenIds& ids,
               std::vector<AddedToken>& added) {
  CHECK(value.is_string() || value.is_object(), who, " is ", value.type_name(),
        ", needed a text or an object");
  AddedToken token =
      value.is_object() ? parse_added_token(value, who) : AddedToken{.content = value.get<std::string>()};
  CHECK(!token.content.empty(), who, " is empty");
  token.id = ids.emplace(token.content, static_cast<int32_t>(ids.size())).first->second;
  const auto known = std::find_if(added.begin(), added.end(),
                                  [&](const AddedToken& other) { return other.content == token.content; });
  if (known == added.end()) {
    added.push_back(std::move(token));
  } else if (rules_count && value.is_object()) {
    *known = std::move(token);
  }
}

// {"2048": {"content": "[URL]", ...}}, by id.
void add_decoder(const json& decoder, const std::string& who, bool rules_count, TokenIds& ids,
                 std::vector<AddedToken>& added) {
  CHECK(decoder.is_object(), who, " is ", decoder.type_name(), ", needed an object");
  std::map<int32_t, const json*> by_id;
  for (const auto& [name, value] : decoder.items()) {
    int32_t id = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data(), end, id);
    CHECK(error == std::errc() && stop == end, who, ": ", escaped(name), " is no id");
    by_id[id] = &value;
  }
  for (const auto& [id, value] : by_id) {
    const std::string whose = text(who, ": \"", id, '"');
    add_token(*value, whose, rules_count, ids, added);
    const std::string content = parse_added_token(*value, whose).content;
    CHECK(ids.at(content) == id, whose, ": token ", escaped(content), " has the id ", ids.at(content),
          " in the tokenizer, or would get it");
  }
}

}  // namespace

TokenizerConfig::TokenizerConfig(const Files& files) {
  const auto put = [this](const std::string& content, const std::string& path) {
    if (content.empty()) return;
    const json object = parse_json_of_python(content, path);
    CHECK(object.is_object(), path, " is ", object.type_name(), ", needed an object");
    for (const auto& [key, value] : object.items()) {
      if (!value.is_null()) settings_[key] = {value, path + ": " + key};
    }
  };
  put(files.config, files.config_path);
  if (!find(kDecoder)) put(files.map, files.map_path);
}

const TokenizerConfig::Setting* TokenizerConfig::find(const std::string& key) const {
  const auto found = settings_.find(key);
  return found == settings_.end() ? nullptr : &found->second;
}

// The content of "<mask>" or {"content": "<mask>", ...}.
std::optional<std::string> TokenizerConfig::name_of(const std::string& key) const {
  const Setting* const setting = find(key);
  if (!setting) return std::nullopt;
  const json& value = setting->value;
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || !value.contains("content") || !value.at("content").is_string())
    return std::nullopt;
  return value.at("content").get<std::string>();
}

std::optional<bool> TokenizerConfig::add_prefix_space() const {
  const Setting* const setting = find("add_prefix_space");
  if (!setting) return std::nullopt;
  CHECK(setting->value.is_boolean(), setting->who, " is ", setting->value.type_name(),
        ", needed true or false");
  return setting->value.get<bool>();
}

SpecialNames TokenizerConfig::names() const {
  return {.begin = name_of("cls_token"),
          .padding = name_of("pad_token"),
          .end = name_of("sep_token"),
          .unknown = name_of("unk_token"),
          .mask = name_of("mask_token")};
}

bool TokenizerConfig::renames(const std::string& usual) const {
  bool is_usual = false, kept = false;
  for (const Key& key : kKeys) {
    if (key.usual != usual) continue;
    is_usual = true;
    kept = kept || name_of(key.key).value_or(usual) == usual;
  }
  return is_usual && !kept;
}

void TokenizerConfig::add_tokens(TokenIds& ids, std::vector<AddedToken>& added, bool rules_count) const {
  if (const Setting* const decoder = find(kDecoder))
    add_decoder(decoder->value, decoder->who, rules_count, ids, added);
  for (const Key& key : kKeys) {
    if (const Setting* const token = find(key.key))
      add_token(token->value, token->who, rules_count, ids, added);
  }
  const Setting* const newer = find("extra_special_tokens");
  const Setting* const more = newer ? newer : find("additional_special_tokens");
  if (!more) return;
  CHECK(more->value.is_array() || (newer && newer->value.is_object()), more->who, " is ",
        more->value.type_name(), ", needed a list");
  for (const auto& [place, token] : more->value.items())
    add_token(token, more->who + ": " + place, rules_count, ids, added);
}

}  // namespace lf
