// What tokenizer_config.json and special_tokens_map.json say of the tokenizer beside them, by transformers'
// rules: names of the special tokens, tokens to add, a space before texts.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer_definition.h"

namespace lf {

class TokenizerConfig {
 public:
  // The contents of the files, the last of them the model's config.json; "" for one that is absent.
  struct Files {
    std::string config_path, config, map_path, map, model_path, model;
  };

  // Throws Error, naming the file, for what is damaged. The map's keys stand above the configuration's, but
  // where that one has added_tokens_decoder, as newer versions write it: then the map counts for nothing.
  explicit TokenizerConfig(const Files& files);

  // Whether the class that is named here, or else the model's type, puts <s> and </s> around a text whatever
  // other files say, and whether it is GPT-2's, which puts nothing there.
  bool is_roberta() const { return class_ == Class::roberta; }
  bool is_gpt2() const { return class_ == Class::gpt2; }

  std::optional<bool> add_prefix_space() const;

  // What the tokens that have a meaning are called. Those around a text are cls_token and sep_token;
  // bos_token and eos_token are put around none.
  SpecialNames names() const;

  // Whether every key that has this usual name, "<s>" or "<mask>", gives another one.
  bool renames(const std::string& usual) const;

  // Adds every token named here, those that `ids` does not have with the next ids. Where `rules_count`, what
  // is said here of a token that was added before (the white space it takes along) replaces what it had; what
  // added_tokens_decoder says does so always.
  void add_tokens(TokenIds& ids, std::vector<AddedToken>& added, bool rules_count) const;

 private:
  enum class Class { unknown, roberta, gpt2 };
  struct Setting {
    nlohmann::ordered_json value;
    std::string who;  // "PATH: KEY"
  };

  void put(const std::string& content, const std::string& path);
  void name_class(const Files& files);
  const Setting* find(const std::string& key) const;  // none where it is null
  std::optional<std::string> name_of(const std::string& key) const;

  std::map<std::string, Setting> settings_;
  Class class_ = Class::unknown;
};

}  // namespace lf
