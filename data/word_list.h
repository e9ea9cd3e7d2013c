// Texts that are given in words, {"tokens": ["Ann", "lives", "here"]}.
#pragma once

#include <string>
#include <vector>

#include "core/byte_range.h"
#include "data/json_record.h"

namespace lf {

// The words with a blank before each, as inside a text, and where they stand in it.
struct JoinedWords {
  std::string text;
  std::vector<ByteRange> words;
};
JoinedWords joined_words(const std::vector<std::string>& words);

// The texts in a record's list. Throws Error naming the record for what is no list of texts.
std::vector<std::string> texts_in(const JsonRecord& record, const char* key);

// The words of a record. Throws Error naming the record for what is no list of texts, an empty one, and a
// word that is none.
std::vector<std::string> tokens_of_record(const JsonRecord& record);

}  // namespace lf
