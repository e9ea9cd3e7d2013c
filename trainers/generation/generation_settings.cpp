#include "trainers/generation/generation_settings.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "core/json.h"
#include "trainers/generation/settings_json.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr int64_t kMostTokens = 1 << 24, kMostTexts = 1024;
constexpr int64_t kNewTokens = 20;  // where no length is given, as in transformers

// Reads values of one settings object; a wrong one is a UsageError that names the key.
class Reader {
 public:
  explicit Reader(std::string source) : source_(std::move(source)) {}

  void read(const std::string& key, const json& value, int64_t& setting) const {
    require(value.is_number_integer(), key, value, "a whole number");
    setting = value.get<int64_t>();
  }
  void read(const std::string& key, const json& value, double& setting) const {
    require(value.is_number() && std::isfinite(value.get<double>()), key, value, "a number");
    setting = value.get<double>();
  }
  void read(const std::string& key, const json& value, bool& setting) const {
    require(value.is_boolean(), key, value, "true or false");
    setting = value.get<bool>();
  }
  void read(const std::string& key, const json& value, uint64_t& setting) const {
    require(value.is_number_unsigned(), key, value, "a whole number of at least 0");
    setting = value.get<uint64_t>();
  }
  void read(const std::string& key, const json& value, EarlyStopping& setting) const {
    require(value.is_boolean() || value == "never", key, value, R"(true, false or "never")");
    setting = value == "never"    ? EarlyStopping::never
              : value.get<bool>() ? EarlyStopping::yes
                                  : EarlyStopping::no;
  }
  void read(const std::string& key, const json& value, std::vector<int32_t>& ids) const {
    ids.clear();
    for (const json& id : value.is_array() ? value : json::array({value})) {
      require(id.is_number_unsigned() && id.get<uint64_t>() <= INT32_MAX, key, value,
              "a token's id or several");
      ids.push_back(id.get<int32_t>());
    }
  }
  template <class T>
  void read(const std::string& key, const json& value, std::optional<T>& setting) const {
    T given{};
    read(key, value, given);
    setting = given;
  }
  void read(const std::string& key, const json& value, std::optional<int32_t>& id) const {
    std::vector<int32_t> ids;
    read(key, value, ids);
    require(ids.size() == 1, key, value, "one token's id");
    id = ids.front();
  }

 private:
  void require(bool ok, const std::string& key, const json& value, const char* needed) const {
    if (!ok) throw UsageError(text(source_, ": ", key, " is ", value.dump(), "; needed ", needed));
  }

  std::string source_;
};

// Calls use(name, setting) for every setting.
template <class F>
void for_each_setting(GenerationSettings& s, F&& use) {
  use("max_length", s.max_length), use("max_new_tokens", s.max_new_tokens);
  use("min_length", s.min_length), use("min_new_tokens", s.min_new_tokens);
  use("num_beams", s.num_beams), use("num_return_sequences", s.num_return_sequences);
  use("length_penalty", s.length_penalty), use("early_stopping", s.early_stopping);
  use("no_repeat_ngram_size", s.no_repeat_ngram_size), use("repetition_penalty", s.repetition_penalty);
  use("forced_bos_token_id", s.forced_begin), use("forced_eos_token_id", s.forced_end);
  use("decoder_start_token_id", s.start);
  use("eos_token_id", s.end_ids), use("do_sample", s.do_sample), use("temperature", s.temperature);
  use("top_p", s.top_p), use("top_k", s.top_k), use("seed", s.seed);
}

}  // namespace

int64_t GenerationSettings::longest(int64_t prompt) const {
  if (max_new_tokens) return prompt + *max_new_tokens;
  return max_length ? *max_length : prompt + kNewTokens;
}

int64_t GenerationSettings::shortest(int64_t prompt) const {
  return std::max(min_length, min_new_tokens > 0 ? prompt + min_new_tokens : 0);
}

void GenerationSettings::validate(const std::string& who) const {
  const auto at_least = [&](const char* name, int64_t value, int64_t least, int64_t most = kMostTokens) {
    if (value < least || value > most)
      throw UsageError(text(who, name, " is ", value, "; needed ", least, " to ", most));
  };
  const auto refuse = [&](bool wrong, const auto&... words) {
    if (wrong) throw UsageError(text(who, words...));
  };
  at_least("max_length", max_length.value_or(2), 2);
  at_least("max_new_tokens", max_new_tokens.value_or(1), 1);
  at_least("min_length", min_length, 0);
  at_least("min_new_tokens", min_new_tokens, 0);
  at_least("num_beams", num_beams, 1, kMostTexts);
  at_least("num_return_sequences", num_return_sequences, 1, kMostTexts);
  at_least("no_repeat_ngram_size", no_repeat_ngram_size, 0);
  at_least("top_k", top_k, 0);
  refuse(!(repetition_penalty > 0), "repetition_penalty is ", repetition_penalty, "; needed above 0");
  refuse(!(temperature > 0), "temperature is ", temperature, "; needed above 0 (do_sample: false is greedy)");
  refuse(!(top_p > 0 && top_p <= 1), "top_p is ", top_p, "; needed above 0 and at most 1");
  refuse(do_sample && num_beams > 1, "do_sample with num_beams ", num_beams,
         ": texts are sampled with one beam; set do_sample: false or num_beams: 1");
  refuse(!do_sample && num_return_sequences > num_beams, "num_return_sequences is ", num_return_sequences,
         ", more than num_beams, ", num_beams, "; without do_sample there are no more texts than beams");
  refuse(shortest(1) > longest(1), "a text of at least ", shortest(1), " tokens cannot have at most ",
         longest(1), " (min_length, min_new_tokens, max_length, max_new_tokens)");
}

void GenerationSettings::validate_ids(int64_t vocabulary) const {
  const auto check = [&](const char* key, const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      if (id >= 0 && id < vocabulary) continue;
      throw UsageError(text(key, " is ", id, "; the model's tokens are 0 to ", vocabulary - 1));
    }
  };
  check("eos_token_id", end_ids);
  check("forced_eos_token_id", forced_end);
  if (forced_begin) check("forced_bos_token_id", {*forced_begin});
  if (start) check("decoder_start_token_id", {*start});
}

GenerationSettings generation_from_json(const std::string& json_text, const std::string& source,
                                        const GenerationSettings& defaults) {
  const json object = parse_json_of_python(json_text, source);
  if (!object.is_object()) throw UsageError(source + ": needed a JSON object");
  GenerationSettings settings = defaults;
  std::vector<std::string> known;
  const Reader reader(source);
  for (const auto& [key, value] : object.items()) {
    bool is_known = false;
    for_each_setting(settings, [&, &name_of = key, &given = value](const std::string& name, auto& setting) {
      if (name != name_of) return;
      is_known = true;
      if (!given.is_null()) reader.read(name, given, setting);
    });
    if (is_known) continue;
    if (is_without_effect(key, value)) continue;
    for_each_setting(settings, [&](const std::string& name, auto&) { known.push_back(name); });
    throw UsageError(
        text(source, ": unknown key \"", key, "\", which may change the text; known are ", joined(known)));
  }
  const auto gives = [&](const char* key) { return object.contains(key) && !object.at(key).is_null(); };
  if (gives("max_length") && !gives("max_new_tokens")) settings.max_new_tokens.reset();
  settings.validate(source + ": ");
  return settings;
}

std::string generation_json(const GenerationSettings& s, int32_t padding, int32_t start) {
  nlohmann::ordered_json json = {{"decoder_start_token_id", start},
                                 {"do_sample", s.do_sample},
                                 {"early_stopping", s.early_stopping == EarlyStopping::yes},
                                 {"eos_token_id", s.end_ids},
                                 {"length_penalty", s.length_penalty},
                                 {"min_length", s.min_length},
                                 {"no_repeat_ngram_size", s.no_repeat_ngram_size},
                                 {"num_beams", s.num_beams},
                                 {"pad_token_id", padding}};
  if (s.early_stopping == EarlyStopping::never) json["early_stopping"] = "never";
  if (s.end_ids.size() == 1) json["eos_token_id"] = s.end_ids.front();
  if (s.max_new_tokens) json["max_new_tokens"] = *s.max_new_tokens;
  return json.dump(2) + "\n";
}

}  // namespace lf
