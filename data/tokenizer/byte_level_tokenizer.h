// Byte-level BPE (GPT-2, RoBERTa, BART, Longformer, LED): text to token ids and back, with the ids of Hugging
// Face's tokenizers on every input.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/byte_range.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/merge_table.h"
#include "data/tokenizer/piece_cache.h"
#include "data/tokenizer/special_ids.h"
#include "data/tokenizer/tokenizer_definition.h"
#include "data/tokenizer/tokenizer_files.h"

namespace lf {

// Ids and, for each, the bytes of the text that it stands for, the space before a word included. Tokens put
// around a text have begin = end; so has a prefix space that the text does not have. A token that is part of
// a U+FFFD has all the bytes that this replaces.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<ByteRange> ranges;
};

// All const functions may be called from several threads at once.
class ByteLevelTokenizer {
 public:
  // Throws Error unless the definition is complete, see check_definition().
  explicit ByteLevelTokenizer(TokenizerDefinition definition);
  // Reads a folder or file, see read_tokenizer_definition().
  explicit ByteLevelTokenizer(const std::string& path, const TokenizerOptions& options = {});

  // The ids of a text, between <s> and </s> where the tokenizer puts them and unless told otherwise. Added
  // tokens inside the text are recognised in either case. Bytes that are not UTF-8 count as U+FFFD, one for
  // each maximal subpart, as Python's errors="replace" decodes them.
  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens = true) const;
  // <s> text </s></s> second </s>, or with one </s> between where the tokenizer is BERT's in this; an empty
  // second text is still one.
  std::vector<int32_t> encode_pair(std::string_view text, std::string_view second,
                                   bool add_special_tokens = true) const;
  Encoding encode_with_ranges(std::string_view text, bool add_special_tokens = true) const;
  // encode() of each text, on all threads.
  std::vector<std::vector<int32_t>> encode_all(std::span<const std::string_view> texts,
                                               bool add_special_tokens = true) const;

  // The bytes that the ids stand for: without special tokens around it, exactly the text that was encoded,
  // but for white space that an added token took, a prefix space and bytes that were not UTF-8. Throws Error
  // for ids that no token has.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens = false) const;

  // The largest id, and one.
  int32_t vocabulary_size() const { return static_cast<int32_t>(definition_.tokens.size()); }
  const SpecialIds& special_ids() const { return special_; }
  // The token as vocabulary files write it ("Ġthe"). Throws Error for ids outside the vocabulary.
  const std::string& token(int32_t id) const;
  std::optional<int32_t> id_of(std::string_view token) const;
  const TokenizerDefinition& definition() const { return definition_; }

 private:
  void append_text(std::string_view text, std::vector<int32_t>& ids, std::vector<ByteRange>* ranges) const;
  void append_section(std::string_view section, PieceCache& cache, std::vector<int32_t>& ids) const;
  void append_ranges(const TextSection& section, bool prefixed, std::span<const int32_t> ids,
                     std::vector<ByteRange>& ranges) const;
  // Sections of valid UTF-8.
  void append_valid(std::string_view text, std::vector<int32_t>& ids, std::vector<ByteRange>* ranges) const;

  TokenizerDefinition definition_;
  MergeTable merges_;
  AddedTokenFinder added_;
  std::vector<std::string> bytes_;  // what each id stands for
  std::vector<bool> is_special_;
  std::unordered_map<std::string_view, int32_t> ids_;  // of definition_.tokens
  SpecialIds special_;
  std::unique_ptr<PieceCaches> caches_ = std::make_unique<PieceCaches>();
};

}  // namespace lf
