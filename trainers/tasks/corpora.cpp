#include "trainers/tasks/corpora.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "core/check.h"
#include "core/choices.h"
#include "core/file_paths.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/messages.h"
#include "data/characters/corpus.h"
#include "data/characters/sample_corpus.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// The user's own folder in the temporary one, which everybody can write to: so nobody else's is taken for it.
fs::path private_temporary_folder() {
  const fs::path folder = temporary_folder() / text("longform-", ::geteuid());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    throw_file_error("create the folder", folder, errno);
  struct stat found = {};
  if (::lstat(folder.c_str(), &found) != 0) throw_file_error("read", folder, errno);
  CHECK(S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() && (found.st_mode & 022) == 0, folder.string(),
        " is no folder of yours that nobody else can write to");
  return folder;
}

// The user's own cache folder; nothing without a home.
std::optional<fs::path> user_cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return fs::path(cache) / "longform";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache" / "longform";
  return std::nullopt;
}

// Makes the folder; why it cannot be made or written to, or nothing.
std::string trouble_with(const fs::path& folder) {
  try {
    create_folders(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return ::access(folder.c_str(), W_OK | X_OK) == 0 ? "" : text("cannot write into ", folder.string());
}

// Where corpora prepared on the fly are kept: the user's cache folder, or, without a home or where nothing
// can be written there, as in containers, the temporary one.
fs::path corpora_cache() {
  std::string trouble;
  if (const std::optional<fs::path> own = user_cache_folder()) {
    trouble = trouble_with(*own / "corpora");
    if (trouble.empty()) return *own / "corpora";
  }
  std::string more;
  try {
    const fs::path folder = private_temporary_folder() / "corpora";
    more = trouble_with(folder);
    if (more.empty()) {
      if (!trouble.empty())
        messages::warning(text(trouble, ": prepared corpora are kept in ", folder.string(),
                               "; name another folder with XDG_CACHE_HOME"));
      return folder;
    }
  } catch (const Error& error) {
    more = error.what();
  }
  throw Error(
      text(trouble, trouble.empty() ? "" : "; ", more,
           "; prepared corpora are kept there: name another folder with XDG_CACHE_HOME, or prepare the "
           "corpus with longform prepare"));
}

bool is_folder(const DataSection& data) { return data.path != "sample" && fs::is_directory(data.path); }

std::shared_ptr<const TokenFile> open_split(const PreparedSplit& split, const std::vector<uint8_t>& alphabet,
                                            const std::string& data_path) {
  auto file = std::make_shared<TokenFile>(split.path);
  file->verify();  // a damaged token is found before the run, not after days of it
  if (!alphabet.empty() && file->header().symbols != alphabet) {
    try {
      file->read_as(alphabet);
    } catch (const UsageError& error) {
      throw UsageError(text("data.path ", data_path, ": ", error.what()));
    }
  }
  return file;
}

CorpusFiles open_folder(const std::string& folder, const std::vector<uint8_t>& alphabet,
                        const std::string& data_path) {
  CorpusFiles result;
  result.corpus = open_corpus(folder);
  result.train = open_split(result.corpus.train, alphabet, data_path);
  result.validation = open_split(result.corpus.validation, alphabet, data_path);
  result.test = open_split(result.corpus.test, alphabet, data_path);
  return result;
}

std::string prepare_once(const std::string& source, const DataSection& data) {
  const std::array<double, 3> split = data.split.value();
  CorpusRequest request;
  request.source = source;
  request.kind = data.kind.value();
  request.newlines = data.newlines.value();
  request.split = {split[1], split[2]};
  // A source that is no corpus fails in CorpusSource, which says where the corpus can be had.
  const bool unpacked = CorpusSource(source, request.kind).packing() != ByteSource::Packing::kNone;
  const std::string key =
      text(content_hash_of_file(source).hash, unpacked ? "-unpacked-" : "-as-it-is-",
           choice_name(request.kind), '-', choice_name(request.newlines), '-', split[1], '-', split[2]);
  const fs::path folder = corpora_cache() / key;
  if (!fs::exists(folder / "corpus.json")) {
    request.folder = folder.string();
    prepare_corpus(request);
  }
  return folder.string();
}

bool makes(const std::array<double, 3>& split, const PreparedCorpus& corpus) {
  const auto bytes = static_cast<double>(corpus.source_bytes);
  return std::llround(bytes * split[1]) == corpus.validation.original_bytes &&
         std::llround(bytes * split[2]) == corpus.test.original_bytes;
}

// The shortest decimal fractions that cut the corpus where it was cut.
std::array<double, 3> split_of(const PreparedCorpus& corpus) {
  const auto bytes = static_cast<double>(corpus.source_bytes);
  const double validation = static_cast<double>(corpus.validation.original_bytes) / bytes,
               test = static_cast<double>(corpus.test.original_bytes) / bytes;
  for (double scale = 100; scale < 1e15; scale *= 10) {
    const double v = std::round(validation * scale), t = std::round(test * scale);
    const std::array<double, 3> split{(scale - v - t) / scale, v / scale, t / scale};
    if (makes(split, corpus)) return split;
  }
  return {1 - validation - test, validation, test};
}

std::string words(const std::array<double, 3>& split) {
  return text('[', split[0], ", ", split[1], ", ", split[2], ']');
}

// What was given for a key must be the corpus's own; what was not becomes it.
template <class T>
void settle(const DataSection& data, const char* key, const char* option, bool agrees, const T& own,
            const std::string& given_words, const std::string& own_words, Inherited<T>& value) {
  if (value.given && !agrees) {
    throw UsageError(text("data.", key, " is ", given_words, ", but data.path ", data.path,
                          " was prepared with ", key, ' ', own_words,
                          ": leave the key out, or prepare the corpus again with ", option));
  }
  if (!agrees) value.given = own;
}

void check_there(const DataSection& data) {
  if (data.path == "sample" || fs::exists(data.path)) return;
  try {
    CorpusSource(data.path, data.kind.value());
  } catch (const Error& error) {
    throw Error(text(missing_corpus(data.path), ": ", error.what()));
  }
}

}  // namespace

std::string missing_corpus(const std::string& path) {
  const bool relative = fs::path(path).is_relative();
  return text("data.path ", path, ": there is no ", fs::absolute(path).string(),
              relative ? " (a relative path starts at the folder of the configuration that states it, or at "
                         "the current one)"
                       : "",
              "; name where the corpus is with --set data.path=..., or make it with longform prepare");
}

DataSection written_out(DataSection data) {
  data.kind.given = data.kind.value();
  data.newlines.given = data.newlines.value();
  data.split.given = data.split.value();
  return data;
}

DataSection settled_data(const DataSection& data) {
  check_there(data);
  if (!is_folder(data)) return written_out(data);
  const PreparedCorpus corpus = open_corpus(data.path);
  DataSection result = data;
  const std::string kind = choice_name(data.kind.value()), newlines = choice_name(data.newlines.value());
  const std::string own_kind = choice_name(corpus.kind), own_newlines = choice_name(corpus.newlines);
  settle(data, "kind", ("longform prepare " + kind).c_str(), data.kind.value() == corpus.kind, corpus.kind,
         kind, own_kind, result.kind);
  settle(data, "newlines", ("--newlines " + newlines).c_str(), data.newlines.value() == corpus.newlines,
         corpus.newlines, newlines, own_newlines, result.newlines);
  const std::array<double, 3> split = data.split.value(), own_split = split_of(corpus);
  settle(data, "split", text("--validation ", split[1], " --test ", split[2]).c_str(), makes(split, corpus),
         own_split, words(split), words(own_split), result.split);
  return written_out(result);
}

CorpusFiles open_corpus_files(const DataSection& data, const std::vector<uint8_t>& alphabet) {
  const DataSection settled = settled_data(data);  // refuses what contradicts the corpus
  if (is_folder(settled)) return open_folder(settled.path, alphabet, data.path);
  return open_folder(prepare_once(data.path == "sample" ? sample_corpus_path() : data.path, settled),
                     alphabet, data.path);
}

}  // namespace lf
