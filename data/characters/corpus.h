// Preparing a corpus: from a raw or packed file to token files of a train, validation and test split.
#pragma once

#include <cstdint>
#include <string>

#include "data/characters/corpus_source.h"
#include "data/characters/prepared_corpus.h"
#include "data/progress.h"
#include "data/splits.h"

namespace lf {

struct CorpusRequest {
  std::string source;  // a raw file, gzip data, or a zip or tar.gz archive with one file in it
  CorpusKind kind = CorpusKind::enwik8;
  Newlines newlines = Newlines::keep;
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
