// Downloads of published corpora: over https alone, redirects included, no larger than what was published,
// and accepted only with the published checksum. An interrupted one leaves nothing that stays.
#pragma once

#include <cstdint>
#include <string>

#include "data/characters/corpus_source.h"
#include "data/progress.h"

namespace lf {

// A file to fetch: where it is, its size and its SHA-256.
struct Download {
  std::string url;
  int64_t bytes = 0;
  std::string sha256;
  int64_t stall_seconds = 60;  // below 1 kB/s for that long is a dead connection
};

// Fetches the file to `destination`, by the proxy that https_proxy names, if any, and with the certificates
// of the system or of CURL_CA_BUNDLE or SSL_CERT_FILE. A destination that already has the right content is
// left alone; a connection that breaks is tried again, from the start. Throws Error when there is no network
// (saying what to do instead), when the server has no such file, or another: larger, smaller or of another
// checksum.
void download_file(const Download& download, const std::string& destination,
                   const CorpusProgress& progress = {});

// Fetches the zip archive of enwik8 or text8 into the folder and returns its path, which prepare_corpus
// accepts. Throws UsageError for kind bytes, which is published nowhere.
std::string download_corpus(CorpusKind kind, const std::string& folder, const CorpusProgress& progress = {});

}  // namespace lf
