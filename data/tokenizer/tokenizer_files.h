// Finding and reading a tokenizer: a folder or file, tokenizer.json or vocab.json + merges.txt.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/tokenizer/tokenizer_config.h"
#include "data/tokenizer/tokenizer_definition.h"

namespace lf {

struct TokenizerOptions {
  // Puts a space before every piece of text that has none; absent: as the files say.
  std::optional<bool> add_prefix_space = std::nullopt;
  // Of vocab.json + merges.txt, which say nothing about it: <mask> takes the white space before it along, as
  // roberta-base's tokenizer.json has it.
  bool mask_takes_space = true;
};

// `path` is a folder with tokenizer.json, or else vocab.json and merges.txt (or encoder.json and vocab.bpe),
// or one of these files. With the two files, the tokens <s> <pad> </s> <unk> <mask> that the vocabulary has
// are special and, if <s> and </s> are there, put around every text; otherwise <|endoftext|> is special.
// tokenizer_config.json and special_tokens_map.json beside them may set add_prefix_space, name the special
// tokens, add further ones and, of the two files, set which white space they take; added_tokens.json adds
// tokens.
// Throws Error with the file, and the line where there is one, for whatever is missing, damaged or
// unsupported.
TokenizerDefinition read_tokenizer_definition(const std::string& path, const TokenizerOptions& options = {});

// The merges of a merges.txt, "left right" a line after an optional "#version" line.
std::vector<Merge> parse_merges(std::string_view content, const TokenIds& ids, const std::string& path);

// The definition that the contents of the two files make; `added` is that of added_tokens.json, or empty.
struct VocabularyFiles {
  std::string vocabulary_path, merges_path, added_path;
  std::string vocabulary, merges, added;
  TokenizerConfig::Files beside = {};
};
TokenizerDefinition parse_vocabulary_files(const VocabularyFiles& files,
                                           const TokenizerOptions& options = {});

}  // namespace lf
