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
  // The contents of the files; "" for one that is absent.
  struct Files {
    std::string config_path, config, map_path, map;
  };

  // Throws Error, naming the file, for what is damaged. The map's keys stand above the configuration's, but
  // where that one has added_tokens_decoder, as newer versions write it: then the map counts for nothing.
  explicit TokenizerConfig(const Files& files);

  std::optional<bool> add_prefix_space() const;

  // What the tokens that have a meaning are called. Those around a text are cls_token and sep_token;
  // bos_token and eos_token are put around none.
  SpecialNames names() const;

  // Whether every key that has this usual name, "<s>" or "<mask>", gives another one.
  bool renames(const std::string& usual) const;

  // Adds every token named here, those that `ids` does not have with the next ids. Where `rules_count`, what
  // is said here of a token that was added before (the white space it takes along) replaces what it had.
  void add_tokens(TokenIds& ids, std::vector<AddedToken>& added, bool rules_count) const;

 private:
  struct Setting {
    nlohmann::json value;
    std::string who;  // "PATH: KEY"
  };

  const Setting* find(const std::string& key) const;
  std::optional<std::string> name_of(const std::string& key) const;

  std::map<std::string, Setting> settings_;
};

}  // namespace lf
