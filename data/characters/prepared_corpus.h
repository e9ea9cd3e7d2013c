// A prepared corpus: a folder with train.tokens, validation.tokens, test.tokens and corpus.json, which says
// how they were made and pins their content hashes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/characters/corpus_source.h"

namespace lf {

struct PreparedSplit {
  std::string path;            // of its token file
  int64_t original_bytes = 0;  // before newlines were stripped
  int64_t tokens = 0;
  std::string content_hash;  // XXH3-128 of the tokens

  bool operator==(const PreparedSplit&) const = default;
};

struct PreparedCorpus {
  std::string folder;
  CorpusKind kind = CorpusKind::bytes;
  Newlines newlines = Newlines::keep;
  std::string source;  // file name, without folder
  int64_t source_bytes = 0;
  std::string source_sha256;
  bool official = false;  // the published file itself, by size and checksum
  int64_t newlines_removed = 0;
  std::vector<uint8_t> symbols;                  // symbols[token] = byte, ascending
  std::vector<uint8_t> symbols_unseen_in_train;  // they occur in validation or test only
  std::vector<std::string> warnings;             // what a reader of results should know; not errors
  PreparedSplit train, validation, test;

  bool operator==(const PreparedCorpus&) const = default;
};

// corpus.json as text.
std::string corpus_json(const PreparedCorpus& corpus);

// Reads FOLDER/corpus.json and checks that the token files beside it are the ones it describes. Throws Error
// naming the file: not prepared, not what this program writes, token file missing, damaged or of another
// preparation.
PreparedCorpus open_corpus(const std::string& folder);

}  // namespace lf
