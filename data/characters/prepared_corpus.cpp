#include "data/characters/prepared_corpus.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/choices.h"
#include "core/json.h"
#include "data/token_file.h"

namespace lf {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

Json split_to_json(const PreparedSplit& split) {
  return {{"file", std::filesystem::path(split.path).filename().string()},
          {"original_bytes", split.original_bytes},
          {"tokens", split.tokens},
          {"content_hash", split.content_hash}};
}

PreparedSplit split_from_json(const std::string& folder, const Json& json) {
  PreparedSplit split;
  split.path = folder + "/" + json.at("file").get<std::string>();
  json.at("original_bytes").get_to(split.original_bytes);
  json.at("tokens").get_to(split.tokens);
  json.at("content_hash").get_to(split.content_hash);
  return split;
}

PreparedCorpus corpus_from_json(const std::string& folder, const Json& json) {
  const int version = json.at("version").get<int>();
  CHECK(version == kVersion, folder, "/corpus.json: version ", version, ", this program reads ", kVersion);
  PreparedCorpus corpus;
  corpus.folder = folder;
  corpus.kind = choice_of<CorpusKind>("kind", json.at("kind").get<std::string>());
  corpus.newlines = choice_of<Newlines>("newlines", json.at("newlines").get<std::string>());
  json.at("source").get_to(corpus.source);
  json.at("source_bytes").get_to(corpus.source_bytes);
  json.at("source_sha256").get_to(corpus.source_sha256);
  json.at("official").get_to(corpus.official);
  json.at("newlines_removed").get_to(corpus.newlines_removed);
  json.at("symbols").get_to(corpus.symbols);
  json.at("symbols_unseen_in_train").get_to(corpus.symbols_unseen_in_train);
  json.at("warnings").get_to(corpus.warnings);
  corpus.train = split_from_json(folder, json.at("train"));
  corpus.validation = split_from_json(folder, json.at("validation"));
  corpus.test = split_from_json(folder, json.at("test"));
  return corpus;
}

void check_split(const PreparedCorpus& corpus, const PreparedSplit& split) {
  const TokenFile tokens(split.path);
  const TokenHeader& header = tokens.header();
  CHECK(header.content_hash == split.content_hash && header.count == split.tokens &&
            header.symbols == corpus.symbols,
        split.path, ": not the token file that ", corpus.folder,
        "/corpus.json describes; prepare the corpus again");
}

}  // namespace

std::string corpus_json(const PreparedCorpus& corpus) {
  const Json json = {{"version", kVersion},
                     {"kind", choice_name(corpus.kind)},
                     {"newlines", choice_name(corpus.newlines)},
                     {"source", corpus.source},
                     {"source_bytes", corpus.source_bytes},
                     {"source_sha256", corpus.source_sha256},
                     {"official", corpus.official},
                     {"newlines_removed", corpus.newlines_removed},
                     {"vocabulary_size", corpus.symbols.size()},
                     {"symbols", corpus.symbols},
                     {"symbols_unseen_in_train", corpus.symbols_unseen_in_train},
                     {"warnings", corpus.warnings},
                     {"train", split_to_json(corpus.train)},
                     {"validation", split_to_json(corpus.validation)},
                     {"test", split_to_json(corpus.test)}};
  // File names need not be UTF-8; JSON must be.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

PreparedCorpus open_corpus(const std::string& folder) {
  const std::string path = folder + "/corpus.json";
  CHECK(std::filesystem::exists(path), "no ", path, ": ", folder,
        " is not a prepared corpus; make one with longform prepare");
  PreparedCorpus corpus;
  try {
    corpus = corpus_from_json(folder, parse_ordered_json(read_text_file(path), path));
  } catch (const nlohmann::json::exception& error) {
    throw Error(text(path, ": not what this program writes (", error.what(), "); prepare the corpus again"));
  } catch (const UsageError& error) {
    throw Error(text(path, ": ", error.what()));
  }
  for (const PreparedSplit* split : {&corpus.train, &corpus.validation, &corpus.test})
    check_split(corpus, *split);
  return corpus;
}

}  // namespace lf
