// A byte-level BPE tokenizer as preparing documents uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/byte_level_tokenizer.h"
#include "data/tokenizer/special_ids.h"

namespace lf {

// What preparing needs of a tokenizer.
struct DocumentTokenizer {
  // Ids of a text without special tokens around it; called by several threads at once. A text cut before a
  // space must give the same ids in two calls as in one, as byte-level BPE does.
  std::function<std::vector<int32_t>(std::string_view)> encode;
  int64_t vocabulary_size = 0;
  SpecialIds special;
  std::string hash;  // of the tokenizer's files: nothing made with another one is reused
};

// XXH3-128 of everything that decides a tokenizer's ids, whichever files it was read from.
std::string tokenizer_hash(const TokenizerDefinition& definition);

// Encodes without tokens around the text. Added tokens inside the text are recognised, as Hugging Face does.
DocumentTokenizer document_tokenizer(std::shared_ptr<const ByteLevelTokenizer> tokenizer);

}  // namespace lf
