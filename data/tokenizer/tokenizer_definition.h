// What a byte-level BPE tokenizer is, as read from files and checked: tokens, merges, added tokens, rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lf {

// Joins the tokens `left` and `right` into `merged`; all are ids.
struct Merge {
  int32_t left, right, merged;
};

// A token found in the text before anything else is done with it.
struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = true;       // left out by decode(..., skip_special_tokens)
  bool normalized = false;   // looked for only where the tokens with `false` were not found
  bool strip_left = false;   // takes the white space before it along
  bool strip_right = false;  // takes the white space after it along
};

// The tokens around a text: `begin` text `end`, and in a pair `begin` a `end` `end` b `end`, as RoBERTa has
// it, or with a single `end` between, as BERT has it.
struct SequenceEnds {
  int32_t begin, end;
  int32_t between = 2;
  bool operator==(const SequenceEnds&) const = default;
};

// What tokens with a meaning of their own are called where it is not <s>, <pad>, </s>, <unk> and <mask>.
struct SpecialNames {
  std::optional<std::string> begin, padding, end, unknown, mask;
};

struct TokenizerDefinition {
  std::string source;  // the file that names it in messages
  // By id, as written in the file: in the byte alphabet; "" for an id that no token has.
  std::vector<std::string> tokens;
  std::vector<Merge> merges;  // the first one that applies is done first
  std::vector<AddedToken> added;
  bool add_prefix_space = false;
  std::optional<SequenceEnds> ends;
  SpecialNames special;
};

// Ids by token while a definition is read.
using TokenIds = std::unordered_map<std::string, int32_t>;

// More ids than tokens, as published vocabularies have them: a few that were never used.
inline constexpr size_t kMostUnusedIds = 100'000;

// The tokens by id. Throws Error, naming `source`, where two tokens have one id, or more than kMostUnusedIds
// ids have none.
std::vector<std::string> tokens_by_id(const TokenIds& ids, const std::string& source);

// Throws Error, naming `who`, unless a token that is added to the vocabulary has the id `next`: the
// tokenizers library counts on from the number of tokens, whatever a file says.
void check_added_id(const std::string& token, int32_t id, int32_t next, const std::string& who);

// The merge of two tokens. Throws Error, naming `place`, unless both and the joined one are in the
// vocabulary.
Merge make_merge(const std::string& left, const std::string& right, const TokenIds& ids,
                 const std::string& place);

// Throws Error unless every byte has a token, no merge is given twice and added tokens differ.
void check_definition(const TokenizerDefinition& definition);

}  // namespace lf
