#include "data/tokenizer/tokenizer_definition.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "core/check.h"
#include "core/escaped.h"
#include "data/tokenizer/byte_alphabet.h"

namespace lf {

std::vector<std::string> tokens_by_id(const TokenIds& ids, const std::string& source) {
  size_t count = 0;
  for (const auto& [token, id] : ids) {
    CHECK(id >= 0 && static_cast<size_t>(id) < ids.size() + kMostUnusedIds, source, ": token ",
          escaped(token), " has id ", id, ", of only ", ids.size(),
          " tokens; ids may have gaps, but no more than ", kMostUnusedIds);
    CHECK(!token.empty(), source, ": the token with id ", id, " is empty");
    count = std::max(count, static_cast<size_t>(id) + 1);
  }
  std::vector<std::string> tokens(count);
  std::vector<const std::string*> owner(count);
  for (const auto& [token, id] : ids) {
    const std::string*& other = owner[static_cast<size_t>(id)];
    CHECK(other == nullptr, source, ": id ", id, " belongs to both ",
          escaped(std::min(token, other ? *other : token)), " and ",
          escaped(std::max(token, other ? *other : token)));
    other = &token;
    tokens[static_cast<size_t>(id)] = token;
  }
  return tokens;
}

void check_added_id(const std::string& token, int32_t id, int32_t next, const std::string& who) {
  CHECK(id == next, who, ": token ", escaped(token), " has id ", id,
        ", but the tokenizers library would give it ", next, ", the next free one");
}

Merge make_merge(const std::string& left, const std::string& right, const TokenIds& ids,
                 const std::string& place) {
  const auto id_of = [&](const std::string& token) {
    const auto found = ids.find(token);
    CHECK(found != ids.end(), place, ": the merge of ", escaped(left), " and ", escaped(right),
          " needs the token ", escaped(token), ", which is not in the vocabulary");
    return found->second;
  };
  CHECK(!left.empty() && !right.empty(), place, ": a merge joins two tokens, and one is empty");
  return {id_of(left), id_of(right), id_of(left + right)};
}

void check_definition(const TokenizerDefinition& definition) {
  const std::unordered_set<std::string> tokens(definition.tokens.begin(), definition.tokens.end());
  for (int byte = 0; byte < 256; ++byte) {
    const std::string& character = byte_character(static_cast<uint8_t>(byte));
    CHECK(tokens.contains(character), definition.source, ": no token ", escaped(character), " for byte ",
          byte, "; a byte-level vocabulary has one for each of the 256 bytes");
  }
  std::unordered_set<uint64_t> pairs;
  for (const Merge& merge : definition.merges) {
    const uint64_t pair = static_cast<uint64_t>(merge.left) << 32 | static_cast<uint32_t>(merge.right);
    CHECK(pairs.insert(pair).second, definition.source, ": the merge of ",
          escaped(definition.tokens[static_cast<size_t>(merge.left)]), " and ",
          escaped(definition.tokens[static_cast<size_t>(merge.right)]), " is given twice");
  }
  std::unordered_set<std::string> contents;
  for (const AddedToken& token : definition.added) {
    CHECK(!token.content.empty(), definition.source, ": an added token is empty");
    CHECK(contents.insert(token.content).second, definition.source, ": the added token ",
          escaped(token.content), " is given twice");
  }
}

}  // namespace lf
