// Preparing a corpus: from a raw file or zip archive to token files of a train, validation and test split.
#pragma once

#include <cstdint>
#include <string>

#include "data/corpus_source.h"
#include "data/prepared_corpus.h"

namespace lf {

// The shares of the source's bytes at its end; the rest is for training. The published split is 90/5/5.
struct SplitFractions {
  double validation = 0.05;
  double test = 0.05;
};

// Bytes per split, in the order in which the source is cut: train, validation, test.
struct SplitSizes {
  int64_t train = 0, validation = 0, test = 0;
};

// Throws UsageError for fractions outside (0, 1), Error when a split would be empty.
SplitSizes split_sizes(int64_t bytes, const SplitFractions& fractions);

struct CorpusRequest {
  std::string source;  // a raw file, or a zip archive with one member
  CorpusKind kind = CorpusKind::kEnwik8;
  Newlines newlines = Newlines::kKeep;
  SplitFractions split = {};
  std::string folder;             // made if missing; an earlier preparation of the source is replaced
  bool require_official = false;  // refuse anything but the published file
  CorpusProgress progress = {};
};

// Splits the source's bytes, gives every byte value a token and writes the token files and, last,
// corpus.json. Tokens are numbered by byte value: text8 always has its 27 symbols; the others have the bytes
// that occur anywhere in the source (the published protocol: 205 for enwik8, 204 when newlines are stripped),
// so a symbol may occur in no training token. Such symbols get a row in the embedding that only the softmax
// trains, and a warning here. Throws Error for a source that is missing, empty, damaged or outside text8's
// alphabet (file, offset and byte), for a folder that holds a run or another source's corpus, and for output
// that cannot be written; then nothing of the new preparation is left behind.
PreparedCorpus prepare_corpus(const CorpusRequest& request);

}  // namespace lf
