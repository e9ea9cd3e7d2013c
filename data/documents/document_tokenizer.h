// A byte-level BPE tokenizer as preparing documents uses it.
#pragma once

#include <memory>
#include <string>

#include "data/documents/document_corpus.h"
#include "data/tokenizer/byte_level_tokenizer.h"

namespace lf {

// XXH3-128 of everything that decides a tokenizer's ids, whichever files it was read from.
std::string tokenizer_hash(const TokenizerDefinition& definition);

// Encodes without tokens around the text. Added tokens inside the text are recognised, as Hugging Face does.
DocumentTokenizer document_tokenizer(std::shared_ptr<const ByteLevelTokenizer> tokenizer);

}  // namespace lf
