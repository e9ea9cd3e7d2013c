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

using nlohmann::ordered_json;

// In the order in which transformers adds those that are missing, each with its usual name.
struct Key {
  const char *key, *usual;
};
constexpr std::array kKeys = {
    Key{"bos_token", "<s>"},   Key{"eos_token", "</s>"}, Key{"unk_token", "<unk>"},  Key{"sep_token", "</s>"},
    Key{"pad_token", "<pad>"}, Key{"cls_token", "<s>"},  Key{"mask_token", "<mask>"}};
constexpr const char* kDecoder = "added_tokens_decoder";
constexpr const char* kOlderList = "additional_special_tokens";
constexpr const char* kNewerList = "extra_special_tokens";

// "<mask>" or {"content": "<mask>", "lstrip": true, ...}: a special token and, in the second form, how it
// treats white space. Returns it with its id.
AddedToken add_token(const ordered_json& value, const std::string& who, bool rules_count, TokenIds& ids,
                     std::vector<AddedToken>& added) {
  CHECK(value.is_string() || value.is_object(), who, " is ", value.type_name(),
        ", needed a text or an object");
  AddedToken token = value.is_object() ? parse_added_token(nlohmann::json(value), who)
                                       : AddedToken{.content = value.get<std::string>()};
  CHECK(!token.content.empty(), who, " is empty");
  token.id = ids.emplace(token.content, static_cast<int32_t>(ids.size())).first->second;
  const auto known = std::find_if(added.begin(), added.end(),
                                  [&](const AddedToken& other) { return other.content == token.content; });
  if (known == added.end()) {
    added.push_back(token);
  } else if (rules_count && value.is_object()) {
    *known = token;
  }
  return token;
}

// {"2048": {"content": "[URL]", ...}}, by id.
void add_decoder(const ordered_json& decoder, const std::string& who, TokenIds& ids,
                 std::vector<AddedToken>& added) {
  CHECK(decoder.is_object(), who, " is ", decoder.type_name(), ", needed an object");
  std::map<int32_t, const ordered_json*> by_id;
  for (const auto& [name, value] : decoder.items()) {
    int32_t id = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data(), end, id);
    CHECK(error == std::errc() && stop == end, who, ": ", escaped(name), " is no id");
    by_id[id] = &value;
  }
  for (const auto& [id, value] : by_id) {
    const std::string whose = text(who, ": \"", id, '"');
    const AddedToken token = add_token(*value, whose, true, ids, added);
    CHECK(token.id == id, whose, ": token ", escaped(token.content), " has the id ", token.id,
          " in the tokenizer, or would get it");
  }
}

}  // namespace

// Of the map, the older list of further tokens counts where the configuration has none; the newer is one list
// with the configuration's.
void TokenizerConfig::put(const std::string& content, const std::string& path) {
  if (content.empty()) return;
  const ordered_json object = parse_ordered_json_of_python(content, path);
  CHECK(object.is_object(), path, " is ", object.type_name(), ", needed an object");
  for (const auto& [key, value] : object.items()) {
    const Setting* const before = find(key);
    if (before && (key == kOlderList || value.is_null())) continue;
    Setting setting{value, path + ": " + key};
    if (key == kNewerList && before && before->value.is_array() && value.is_array()) {
      setting.value = before->value;
      setting.value.insert(setting.value.end(), value.begin(), value.end());
    }
    settings_[key] = std::move(setting);
  }
}

constexpr auto kNeeded =
    "; its tokenizer puts other tokens around a text than RoBERTa's, Longformer's, BART's, LED's and "
    "GPT-2's, which are read";

// Models that transformers has a tokenizer of another kind for.
constexpr const char* kOtherTypes[] = {
    "albert",  "bert",  "blenderbot", "camembert", "codegen", "deberta", "deberta-v2", "distilbert",
    "electra", "mpnet", "opt",        "qwen2",     "qwen3",   "t5",      "whisper",    "xlm-roberta"};

void TokenizerConfig::name_class(const Files& files) {
  const auto begins = [](const std::string& name, auto... beginnings) {
    return (name.starts_with(beginnings) || ...);
  };
  const Setting* const named = find("tokenizer_class");
  if (named && named->value.is_string()) {
    const std::string name = named->value.get<std::string>();
    if (begins(name, "Roberta", "Longformer", "Bart", "LED")) class_ = Class::roberta;
    if (begins(name, "GPT2")) class_ = Class::gpt2;
    CHECK(class_ != Class::unknown || begins(name, "PreTrainedTokenizer", "TokenizersBackend"), named->who,
          " is ", escaped(name), kNeeded);
  } else if (!files.model.empty()) {
    const ordered_json model = parse_ordered_json_of_python(files.model, files.model_path);
    const auto type = model.is_object() ? model.value("model_type", ordered_json()) : ordered_json();
    for (const char* like : {"roberta", "longformer", "bart", "led"})
      if (type == like) class_ = Class::roberta;
    if (type == "gpt2") class_ = Class::gpt2;
    for (const char* other : kOtherTypes)
      CHECK(type != other, files.model_path, ": model_type is ", escaped(other), kNeeded);
  }
}

TokenizerConfig::TokenizerConfig(const Files& files) {
  put(files.config, files.config_path);
  if (!find(kDecoder)) put(files.map, files.map_path);
  name_class(files);
  for (const char* key : {"add_bos_token", "add_eos_token"}) {
    const Setting* const adds = is_gpt2() ? find(key) : nullptr;
    CHECK(!adds || adds->value == false, adds->who,
          " is not false: tokens around GPT-2's texts are not supported");
  }
  const Setting* const splits = find("split_special_tokens");
  CHECK(!splits || splits->value == false, splits->who,
        " is not false: special tokens that are text like any other are not supported");
}

const TokenizerConfig::Setting* TokenizerConfig::find(const std::string& key) const {
  const auto found = settings_.find(key);
  return found == settings_.end() || found->second.value.is_null() ? nullptr : &found->second;
}

// The content of "<mask>" or {"content": "<mask>", ...}.
std::optional<std::string> TokenizerConfig::name_of(const std::string& key) const {
  const Setting* const setting = find(key);
  if (!setting) return std::nullopt;
  const ordered_json& value = setting->value;
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || !value.contains("content") || !value.at("content").is_string())
    return std::nullopt;
  return value.at("content").get<std::string>();
}

std::optional<bool> TokenizerConfig::add_prefix_space() const {
  const Setting* const setting = find("add_prefix_space");
  if (!setting) return is_roberta() ? std::optional(false) : std::nullopt;
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
    kept = kept || !settings_.contains(key.key) || name_of(key.key) == usual;
  }
  return is_usual && !kept;
}

void TokenizerConfig::add_tokens(TokenIds& ids, std::vector<AddedToken>& added, bool rules_count) const {
  if (const Setting* const decoder = find(kDecoder)) add_decoder(decoder->value, decoder->who, ids, added);
  for (const Key& key : kKeys) {
    if (const Setting* const token = find(key.key))
      add_token(token->value, token->who, rules_count, ids, added);
  }
  for (const auto& setting : settings_) {
    const std::string& key = setting.first;
    const Setting& token = setting.second;
    // Whatever else is called a token is one ("image_token"), but for settings of the same ending.
    const bool is_named =
        std::any_of(kKeys.begin(), kKeys.end(), [&](const Key& known) { return key == known.key; });
    const bool is_token =
        token.value.is_string() || (token.value.is_object() && token.value.contains("content"));
    if (!is_named && key.ends_with("_token") && is_token)
      add_token(token.value, token.who, rules_count, ids, added);
  }
  const auto add_all = [&](const Setting& list, bool may_be_object) {
    CHECK(list.value.is_array() || (may_be_object && list.value.is_object()), list.who, " is ",
          list.value.type_name(), ", needed a list");
    for (const auto& [place, token] : list.value.items())
      add_token(token, list.who + ": " + place, rules_count, ids, added);
  };
  if (const Setting* const specific = find("model_specific_special_tokens")) add_all(*specific, true);
  const Setting* const newer = find(kNewerList);
  if (newer && !newer->value.empty()) {
    add_all(*newer, true);
  } else if (const Setting* const older = find(kOlderList)) {
    add_all(*older, false);
  }
}

}  // namespace lf
