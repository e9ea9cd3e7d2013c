// Downloads of published corpora, done by the program `curl` (present on every system, obeys its proxy
// settings), continued where an earlier attempt stopped, and accepted only with the published checksum.
#pragma once

#include <cstdint>
#include <string>

#include "data/corpus_source.h"

namespace lf {

// A file to fetch: where it is, its size and its SHA-256.
struct Download {
  std::string url;
  int64_t bytes = 0;
  std::string sha256;
};

// Fetches the file to `destination` by way of destination.partial, which a failed attempt leaves for the next
// one to continue. A destination that already has the right content is left alone. Throws Error when curl is
// missing, when there is no network (saying what to do instead), and when size or checksum differ (the bad
// file is removed).
void download_file(const Download& download, const std::string& destination,
                   const CorpusProgress& progress = {});

// Fetches the zip archive of enwik8 or text8 into the folder and returns its path, which prepare_corpus
// accepts. Throws UsageError for kind bytes, which is published nowhere.
std::string download_corpus(CorpusKind kind, const std::string& folder, const CorpusProgress& progress = {});

}  // namespace lf
