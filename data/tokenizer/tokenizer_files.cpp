#include "data/tokenizer/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_paths.h"
#include "core/files.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer_config.h"
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

std::vector<AddedToken> default_added_tokens(const TokenIds& ids, const TokenizerConfig& config,
                                             const TokenizerOptions& options) {
  std::vector<AddedToken> added;
  const auto add = [&](const char* content) {
    const auto found = ids.find(content);
    if (found == ids.end() || config.renames(content)) return;
    const bool strip_left = content == kMask && options.mask_takes_space;
    added.push_back({.content = content, .id = found->second, .strip_left = strip_left});
  };
  if (!config.is_gpt2()) {
    for (const char* content : kRobertaTokens) add(content);
  }
  if (config.is_gpt2() || !ids.contains(kBegin) || !ids.contains(kEnd)) add(kGpt2End);
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

std::string read_if_there(const std::string& path) { return is_there(path) ? read_text_file(path) : ""; }

TokenizerConfig::Files read_config_files(const fs::path& folder) {
  TokenizerConfig::Files files;
  files.config_path = (folder / "tokenizer_config.json").string();
  files.map_path = (folder / "special_tokens_map.json").string();
  files.config = read_if_there(files.config_path);
  files.map = read_if_there(files.map_path);
  files.model_path = (folder / "config.json").string();
  files.model = read_if_there(files.model_path);
  return files;
}

TokenizerDefinition read_two_files(const fs::path& folder, const FileNames& names,
                                   const TokenizerOptions& options) {
  VocabularyFiles files;
  files.vocabulary_path = (folder / names.vocabulary).string();
  files.merges_path = (folder / names.merges).string();
  CHECK(is_there(files.merges_path), files.vocabulary_path, " needs ", names.merges, " beside it");
  files.added_path = (folder / "added_tokens.json").string();
  files.vocabulary = read_text_file(files.vocabulary_path);
  files.merges = read_text_file(files.merges_path);
  files.beside = read_config_files(folder);
  files.added = read_if_there(files.added_path);
  return parse_vocabulary_files(files, options);
}

// The tokens around a text, where the vocabulary has both.
std::optional<SequenceEnds> ends_of(const SpecialNames& names, const TokenIds& ids) {
  const auto begin = ids.find(names.begin.value_or(kBegin)), end = ids.find(names.end.value_or(kEnd));
  if (begin == ids.end() || end == ids.end()) return std::nullopt;
  return SequenceEnds{begin->second, end->second};
}

// The token that a tokenizer.json puts at one end of every text is the one that the configuration names
// there: where they differ, versions of transformers differ in which of them they follow.
void check_end(const TokenizerDefinition& definition, int32_t id, const std::optional<std::string>& name,
               const char* key) {
  const std::string& token = definition.tokens[static_cast<size_t>(id)];
  CHECK(!name || *name == token, definition.source, " puts ", escaped(token), " around a text, but ", key,
        " is ", escaped(*name), " in the files beside it; make them agree");
}

TokenizerDefinition read_tokenizer_json(const std::string& path, const TokenizerOptions& options) {
  TokenIds ids;
  TokenizerDefinition result = parse_tokenizer_json(parse_json(read_text_file(path), path), path, &ids);
  const TokenizerConfig config(read_config_files(fs::path(path).parent_path()));
  result.add_prefix_space =
      options.add_prefix_space.value_or(config.add_prefix_space().value_or(result.add_prefix_space));
  result.special = config.names();
  if (result.ends) {
    check_end(result, result.ends->begin, result.special.begin, "cls_token");
    check_end(result, result.ends->end, result.special.end, "sep_token");
  }
  const size_t known = ids.size();
  const std::string added = (fs::path(path).parent_path() / "added_tokens.json").string();
  if (const std::string content = read_if_there(added); !content.empty())
    add_later_tokens(parse_json(content, added), added, ids, result.added);
  config.add_tokens(ids, result.added, /*rules_count=*/false);
  if (ids.size() > known) result.tokens = tokens_by_id(ids, path);
  if (!result.ends && config.is_roberta()) result.ends = ends_of(result.special, ids);
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
  const TokenizerConfig config(files.beside);
  result.added = default_added_tokens(ids, config, options);
  if (!files.added.empty())
    add_later_tokens(parse_json(files.added, files.added_path), files.added_path, ids, result.added);
  config.add_tokens(ids, result.added, /*rules_count=*/true);
  result.tokens = tokens_by_id(ids, files.vocabulary_path);
  result.add_prefix_space = options.add_prefix_space.value_or(config.add_prefix_space().value_or(false));
  result.special = config.names();
  if (!config.is_gpt2()) result.ends = ends_of(result.special, ids);
  check_definition(result);
  return result;
}

TokenizerDefinition read_tokenizer_definition(const std::string& path, const TokenizerOptions& options) {
  check_exists(path);
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
