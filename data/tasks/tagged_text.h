// A text in words, each with its tag: what a token classifier learns from, as every reader gives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/byte_range.h"
#include "data/tasks/entities.h"

namespace lf {

struct TaggedText {
  std::string id;                    // unique in its split
  std::string text;                  // valid UTF-8
  std::vector<ByteRange> words;      // of the text, in its order; one at least
  std::vector<std::string> tags;     // of each word
  std::string where;                 // "FILE:LINE", for messages
  std::vector<int64_t> sentences{};  // the words, beside the first, with which sentences begin, where known
  // Whether the words are all that is known of the text, which is then these with blanks between.
  bool is_list = false;
};

// The words of a text: runs of letters, of numbers and of other characters, as GPT-2's pattern cuts text,
// without white space. So a token of a byte-level tokenizer never holds the begin of two words. `text` must
// be valid UTF-8.
std::vector<ByteRange> words_of(std::string_view text);

}  // namespace lf
