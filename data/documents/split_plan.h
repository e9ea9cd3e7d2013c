// Cutting a stream of encoded parts into splits, and what each split holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/token_file.h"

namespace lf {

struct DocumentSplit {
  std::string path;                     // of its token file
  int64_t tokens = 0;                   // with the </s> of documents
  int64_t characters = 0;               // Unicode characters that the tokens stand for
  int64_t bytes = 0;                    // the same in UTF-8
  int64_t documents = 0;                // that have text here; one that is cut counts on both sides
  bool begins_inside_document = false;  // it was cut where no document ends
  std::string content_hash;             // XXH3-128 of the tokens

  bool operator==(const DocumentSplit&) const = default;
};

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
