// documents.json, which says how the token files beside it were made, written and read.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/check.h"
#include "core/files.h"
#include "core/json.h"
#include "data/documents/document_corpus.h"
#include "data/token_file.h"

namespace lf {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr const char* kName = "/documents.json";

Json to_json(const DocumentSplit& split) {
  return {{"file", std::filesystem::path(split.path).filename().string()},
          {"tokens", split.tokens},
          {"characters", split.characters},
          {"bytes", split.bytes},
          {"documents", split.documents},
          {"begins_inside_document", split.begins_inside_document},
          {"content_hash", split.content_hash}};
}

DocumentSplit split_from_json(const std::string& folder, const Json& json) {
  DocumentSplit split;
  split.path = folder + "/" + json.at("file").get<std::string>();
  json.at("tokens").get_to(split.tokens);
  json.at("characters").get_to(split.characters);
  json.at("bytes").get_to(split.bytes);
  json.at("documents").get_to(split.documents);
  json.at("begins_inside_document").get_to(split.begins_inside_document);
  json.at("content_hash").get_to(split.content_hash);
  return split;
}

// The names of special ids in the file, in the order of the structure.
template <class Special, class F>
void for_each_special(Special&& special, F&& f) {
  f("begin", special.begin);
  f("padding", special.padding);
  f("end", special.end);
  f("unknown", special.unknown);
  f("mask", special.mask);
}

Json to_json(const SpecialIds& special) {
  Json json = Json::object();
  for_each_special(special, [&](const char* name, const std::optional<int32_t>& id) {
    if (id) json[name] = *id;
  });
  return json;
}

SpecialIds special_from_json(const Json& json) {
  SpecialIds special;
  for_each_special(special, [&](const char* name, std::optional<int32_t>& id) {
    if (json.contains(name)) id = json.at(name).get<int32_t>();
  });
  return special;
}

DocumentCorpus corpus_from_json(const std::string& folder, const Json& json) {
  const int version = json.at("version").get<int>();
  CHECK(version == kVersion, folder, kName, ": version ", version, ", this program reads ", kVersion);
  DocumentCorpus corpus;
  corpus.folder = folder;
  const Json& tokenizer = json.at("tokenizer");
  tokenizer.at("hash").get_to(corpus.tokenizer_hash);
  tokenizer.at("vocabulary_size").get_to(corpus.vocabulary_size);
  corpus.special = special_from_json(tokenizer.at("special"));
  json.at("paragraphs").get_to(corpus.paragraphs);
  for (const Json& source : json.at("sources")) {
    corpus.sources.push_back({.name = source.at("name").get<std::string>(),
                              .split = source.at("split").get<std::string>(),
                              .bytes = source.at("bytes").get<int64_t>(),
                              .sha256 = source.at("sha256").get<std::string>()});
  }
  json.at("empty_documents").get_to(corpus.empty_documents);
  json.at("warnings").get_to(corpus.warnings);
  corpus.train = split_from_json(folder, json.at("train"));
  corpus.validation = split_from_json(folder, json.at("validation"));
  corpus.test = split_from_json(folder, json.at("test"));
  return corpus;
}

}  // namespace

std::string document_corpus_json(const DocumentCorpus& corpus) {
  Json sources = Json::array();
  for (const DocumentSourceFile& source : corpus.sources) {
    sources.push_back(
        {{"name", source.name}, {"split", source.split}, {"bytes", source.bytes}, {"sha256", source.sha256}});
  }
  const Json json = {{"version", kVersion},
                     {"kind", "documents"},
                     {"tokenizer",
                      {{"hash", corpus.tokenizer_hash},
                       {"vocabulary_size", corpus.vocabulary_size},
                       {"special", to_json(corpus.special)}}},
                     {"paragraphs", corpus.paragraphs},
                     {"empty_documents", corpus.empty_documents},
                     {"warnings", corpus.warnings},
                     {"train", to_json(corpus.train)},
                     {"validation", to_json(corpus.validation)},
                     {"test", to_json(corpus.test)},
                     {"sources", sources}};
  // File names need not be UTF-8; JSON must be.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool is_document_corpus(const std::string& folder) { return std::filesystem::exists(folder + kName); }

DocumentCorpus open_document_corpus(const std::string& folder) {
  const std::string path = folder + kName;
  CHECK(is_document_corpus(folder), "no ", path, ": ", folder,
        " holds no prepared documents; make them with longform prepare documents");
  DocumentCorpus corpus;
  try {
    corpus = corpus_from_json(folder, parse_ordered_json(read_text_file(path), path));
  } catch (const nlohmann::json::exception& error) {
    throw Error(
        text(path, ": not what this program writes (", error.what(), "); prepare the documents again"));
  }
  for (const DocumentSplit* split : {&corpus.train, &corpus.validation, &corpus.test}) {
    const TokenFile tokens(split->path);
    CHECK(tokens.header().content_hash == split->content_hash && tokens.count() == split->tokens &&
              tokens.vocabulary_size() == corpus.vocabulary_size,
          split->path, ": not the token file that ", path, " describes; prepare the documents again");
  }
  return corpus;
}

}  // namespace lf
