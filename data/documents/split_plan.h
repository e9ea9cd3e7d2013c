// Cutting a stream of encoded parts into splits, and what each split holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/documents/document_corpus.h"
#include "data/token_file.h"

namespace lf {

// The tokens of consecutive parts (see parts.h).
struct PartStream {
  std::vector<std::string> parts;  // their files
  int64_t tokens = 0;
};

// Tokens [begin, end) of a stream; both are ends of pieces.
struct StreamSegment {
  const PartStream* stream = nullptr;
  int64_t begin = 0, end = 0;
};

// Cuts the stream: about `share` of all its tokens, ending `share_behind` before its end, go to a split. The
// place where that split begins: the nearest end of a document if it changes the split's size by at most a
// tenth, else the nearest end of a piece.
int64_t find_split_begin(const PartStream& stream, double share, double share_behind);

// Everything but the path and the hash.
DocumentSplit count_split(const StreamSegment& segment);

void append_segment(const StreamSegment& segment, TokenFileWriter& writer);

}  // namespace lf
