#include "trainers/corpora.h"

#include <cstdlib>
#include <filesystem>

#include "core/check.h"
#include "core/hash.h"
#include "data/corpus.h"
#include "data/sample_corpus.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// Where corpora prepared on the fly are kept: the user's cache folder, or the temporary one without a home.
fs::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return fs::path(cache) / "longform";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache" / "longform";
  return fs::temp_directory_path() / "longform";
}

CorpusFiles open_folder(const std::string& folder) {
  CorpusFiles result{open_corpus(folder), nullptr, nullptr, nullptr};
  result.train = std::make_shared<TokenFile>(result.corpus.train.path);
  result.validation = std::make_shared<TokenFile>(result.corpus.validation.path);
  result.test = std::make_shared<TokenFile>(result.corpus.test.path);
  // A damaged token is found before the run, not after days of it.
  for (const auto& file : {result.train, result.validation, result.test}) file->verify();
  return result;
}

std::string prepare_once(const std::string& source, const DataSection& data) {
  CorpusRequest request;
  request.source = source;
  request.kind = parse_corpus_kind(choice_name(data.kind));
  request.newlines = parse_newlines(choice_name(data.newlines));
  request.split = {data.split[1], data.split[2]};
  // A source that is not there fails in CorpusSource, which says where the corpus can be had.
  CorpusSource(source, request.kind);
  const std::string key = text(content_hash_of_file(source), '-', choice_name(data.kind), '-',
                               choice_name(data.newlines), '-', data.split[1], '-', data.split[2]);
  const fs::path folder = cache_folder() / "corpora" / key;
  if (!fs::exists(folder / "corpus.json")) {
    request.folder = folder.string();
    prepare_corpus(request);
  }
  return folder.string();
}

}  // namespace

CorpusFiles open_corpus_files(const DataSection& data) {
  if (data.path != "sample" && fs::is_directory(data.path)) return open_folder(data.path);
  return open_folder(prepare_once(data.path == "sample" ? sample_corpus_path() : data.path, data));
}

}  // namespace lf
