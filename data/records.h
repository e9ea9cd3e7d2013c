// Records for prediction: JSON lines, each a text or a batch of token ids.
// Other keys are the user's own.
//   {"id": "a", "text": "..."}
//   {"id": "c", "tokens": ["...", "..."]}, a text in words
//   {"id": "b", "ids": [[0, 5, 2]], "mask": [[1, 1, 1]], "global": [[0]], "labels": [[-100, 5, -100]]}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/byte_range.h"

namespace lf {

// One line of a file. A record has a text, or tokens, which are a text with its words, or ids; mask, global
// and labels are optional and belong to ids.
struct Record {
  std::string id;     // unique in its file; the line's number where none is given
  std::string where;  // "file:line", for messages
  std::optional<std::string> text;
  std::vector<ByteRange> words;  // of the text, where it was given in words; empty: it was not

  int64_t rows = 0, length = 0;
  std::vector<int32_t> ids;     // (rows, length)
  std::vector<uint8_t> mask;    // (rows, length), 1 = a real token; empty: all are
  std::vector<int32_t> labels;  // (rows, length), -1 where nothing is to be predicted; empty: none
  std::vector<std::vector<int64_t>> global;  // positions of each row, ascending; empty: none
};

// All records of a file. Errors name file and line: malformed JSON, neither text nor tokens nor ids, rows
// of unequal length, other shapes of mask or labels, values that are no ids, ids used twice, an empty file.
std::vector<Record> read_records(const std::string& path);

}  // namespace lf
