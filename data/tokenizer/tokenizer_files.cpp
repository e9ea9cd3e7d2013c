#include "data/tokenizer/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "core/files.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kBegin = "<s>";
constexpr const char* kEnd = "</s>";
constexpr const char* kMask = "<mask>";
constexpr const char* kGpt2End = "<|endoftext|>";
constexpr std::array kRobertaTokens = {kBegin, "<pad>", kEnd, "<unk>", kMask};

// The names of the two files: Hugging Face's, and those of GPT-2's first release.
struct FileNames {
  const char *vocabulary, *merges;
};
constexpr std::array kFileNames = {FileNames{"vocab.json", "merges.txt"},
                                   FileNames{"encoder.json", "vocab.bpe"}};

// One line, without its line end, and what follows it.
std::string_view take_line(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<AddedToken> default_added_tokens(const TokenIds& ids, const TokenizerOptions& options) {
  std::vector<AddedToken> added;
  const auto add = [&](const char* content) {
    const auto found = ids.find(content);
    if (found == ids.end()) return;
    const bool strip_left = content == kMask && options.mask_takes_space;
    added.push_back({.content = content, .id = found->second, .strip_left = strip_left});
  };
  for (const char* content : kRobertaTokens) add(content);
  if (!ids.contains(kBegin) || !ids.contains(kEnd)) add(kGpt2End);
  return added;
}

// Of added_tokens.json, {"token": id}: those that the vocabulary does not have; the others must agree with
// it.
void add_later_tokens(const json& more, const std::string& path, TokenIds& ids,
                      std::vector<AddedToken>& added) {
  CHECK(more.is_object(), path, " is ", more.type_name(), ", needed an object {\"token\": id}");
  if (more.empty()) return;
  std::map<int32_t, std::string> by_id;
  for (const auto& [token, id] : parse_vocabulary(more, path)) by_id.emplace(id, token);
  auto next = static_cast<int32_t>(ids.size());
  for (const auto& [id, token] : by_id) {
    const auto [found, is_new] = ids.emplace(token, id);
    CHECK(found->second == id, path, ": token ", escaped(token), " has id ", id, " here and ", found->second,
          " in the vocabulary");
    if (!is_new) continue;
    check_added_id(token, id, next++, path);
    added.push_back({.content = token, .id = id, .special = false, .normalized = true});
  }
}

// The content of "<mask>" or {"content": "<mask>", ...}; nothing where the key is absent or null.
std::optional<std::string> token_name(const json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_object() || !found->contains("content") || !found->at("content").is_string())
    return std::nullopt;
  return found->at("content").get<std::string>();
}

// What tokenizer_config.json calls the tokens with a meaning of their own.
SpecialNames special_names(const json& config, const std::string& path) {
  CHECK(config.is_object(), path, " is ", config.type_name(), ", needed an object");
  // bos_token and eos_token are put around no text: transformers has cls_token and sep_token for it.
  return {.begin = token_name(config, "cls_token"),
          .padding = token_name(config, "pad_token"),
          .end = token_name(config, "sep_token"),
          .unknown = token_name(config, "unk_token"),
          .mask = token_name(config, "mask_token")};
}

// "<mask>" or {"content": "<mask>", "lstrip": true, ...}: a special token, and how it treats white space.
void apply_config_token(const json& value, const std::string& who, const TokenIds& ids,
                        std::vector<AddedToken>& added) {
  CHECK(value.is_string() || value.is_object(), who, " is ", value.type_name(),
        ", needed a text or an object");
  const bool has_rules = value.is_object();
  const AddedToken token =
      has_rules ? parse_added_token(value, who) : AddedToken{.content = value.get<std::string>()};
  auto known = std::find_if(added.begin(), added.end(),
                            [&](const AddedToken& other) { return other.content == token.content; });
  if (known == added.end()) {
    const auto id = ids.find(token.content);
    CHECK(id != ids.end(), who, " is ", escaped(token.content), ", which the vocabulary does not have");
    known = added.insert(added.end(), {.content = token.content, .id = id->second});
  }
  if (!has_rules) return;
  const int32_t id = known->id;
  *known = token;
  known->id = id;
}

// What bears on ids in tokenizer_config.json. Its many other keys concern other programs.
void apply_config(const json& config, const std::string& path, const TokenizerOptions& options,
                  const TokenIds& ids, TokenizerDefinition& definition) {
  definition.special = special_names(config, path);
  if (config.contains("add_prefix_space")) {
    const json& value = config.at("add_prefix_space");
    CHECK(value.is_boolean(), path, ": add_prefix_space is ", value.type_name(), ", needed true or false");
    definition.add_prefix_space = options.add_prefix_space.value_or(value.get<bool>());
  }
  for (const char* key :
       {"bos_token", "eos_token", "sep_token", "cls_token", "unk_token", "pad_token", "mask_token"}) {
    if (!config.contains(key) || config.at(key).is_null()) continue;
    apply_config_token(config.at(key), text(path, ": ", key), ids, definition.added);
  }
  if (!config.contains("added_tokens_decoder")) return;
  const json& decoder = config.at("added_tokens_decoder");
  CHECK(decoder.is_object(), path, ": added_tokens_decoder is ", decoder.type_name(), ", needed an object");
  for (const auto& [id, value] : decoder.items()) {
    apply_config_token(value, path + ": added_tokens_decoder: " + escaped(id), ids, definition.added);
  }
}

std::string read_if_there(const std::string& path) { return is_there(path) ? read_file(path) : ""; }

TokenizerDefinition read_two_files(const fs::path& folder, const FileNames& names,
                                   const TokenizerOptions& options) {
  VocabularyFiles files;
  files.vocabulary_path = (folder / names.vocabulary).string();
  files.merges_path = (folder / names.merges).string();
  files.config_path = (folder / "tokenizer_config.json").string();
  CHECK(is_there(files.merges_path), files.vocabulary_path, " needs ", names.merges, " beside it");
  files.added_path = (folder / "added_tokens.json").string();
  files.vocabulary = read_file(files.vocabulary_path);
  files.merges = read_file(files.merges_path);
  files.merges.erase(0, text_begin(files.merges_path, files.merges));
  files.config = read_if_there(files.config_path);
  files.added = read_if_there(files.added_path);
  return parse_vocabulary_files(files, options);
}

TokenizerDefinition read_tokenizer_json(const std::string& path, const TokenizerOptions& options) {
  TokenizerDefinition result = parse_tokenizer_json(parse_json(read_file(path), path), path);
  result.add_prefix_space = options.add_prefix_space.value_or(result.add_prefix_space);
  const std::string beside = (fs::path(path).parent_path() / "tokenizer_config.json").string();
  if (const std::string config = read_if_there(beside); !config.empty())
    result.special = special_names(parse_json(config, beside), beside);
  return result;
}

}  // namespace

std::vector<Merge> parse_merges(std::string_view content, const TokenIds& ids, const std::string& path) {
  std::vector<Merge> merges;
  std::unordered_map<std::string_view, int64_t> line_of;
  std::string_view rest = content;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = take_line(rest);
    if (number == 1 && line.starts_with("#version")) continue;
    const std::string place = text(path, ':', number);
    CHECK(first_invalid_utf8(line) == line.size(), place, ": not UTF-8");
    const size_t space = line.find(' ');
    CHECK(space != line.npos && line.find(' ', space + 1) == line.npos, place,
          ": needed two tokens with one space between, not ", escaped(line));
    const auto [earlier, is_new] = line_of.emplace(line, number);
    CHECK(is_new, place, ": the merge ", escaped(line), " is given in line ", earlier->second, " already");
    merges.push_back(
        make_merge(std::string(line.substr(0, space)), std::string(line.substr(space + 1)), ids, place));
  }
  CHECK(!merges.empty(), path, ": holds no merges");
  return merges;
}

TokenizerDefinition parse_vocabulary_files(const VocabularyFiles& files, const TokenizerOptions& options) {
  TokenizerDefinition result;
  result.source = files.vocabulary_path;
  TokenIds ids = parse_vocabulary(parse_json(files.vocabulary, files.vocabulary_path), files.vocabulary_path);
  result.merges = parse_merges(files.merges, ids, files.merges_path);
  result.added = default_added_tokens(ids, options);
  if (!files.added.empty())
    add_later_tokens(parse_json(files.added, files.added_path), files.added_path, ids, result.added);
  result.tokens = tokens_by_id(ids, files.vocabulary_path);
  result.add_prefix_space = options.add_prefix_space.value_or(false);
  if (!files.config.empty()) {
    apply_config(parse_json(files.config, files.config_path), files.config_path, options, ids, result);
  }
  const auto begin = ids.find(result.special.begin.value_or(kBegin)),
             end = ids.find(result.special.end.value_or(kEnd));
  if (begin != ids.end() && end != ids.end()) result.ends = {begin->second, end->second};
  check_definition(result);
  return result;
}

TokenizerDefinition read_tokenizer_definition(const std::string& path, const TokenizerOptions& options) {
  CHECK(fs::exists(path), path, " does not exist");
  if (!fs::is_directory(path)) {
    const fs::path file(path);
    for (const FileNames& names : kFileNames) {
      const bool one_of_two = file.filename() == names.vocabulary || file.filename() == names.merges;
      if (one_of_two) return read_two_files(file.parent_path(), names, options);
    }
    return read_tokenizer_json(path, options);
  }
  const fs::path folder(path);
  if (is_there((folder / "tokenizer.json").string())) {
    return read_tokenizer_json((folder / "tokenizer.json").string(), options);
  }
  for (const FileNames& names : kFileNames) {
    if (is_there((folder / names.vocabulary).string())) return read_two_files(folder, names, options);
  }
  throw Error(path + " holds no tokenizer: needed tokenizer.json, or vocab.json and merges.txt");
}

}  // namespace lf
