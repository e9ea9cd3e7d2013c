#include "data/documents/document_tokenizer.h"

#include <utility>

#include "core/check.h"
#include "core/hash.h"

namespace lf {

std::string tokenizer_hash(const TokenizerDefinition& definition) {
  ContentHash hash;
  const auto add = [&hash](const std::string& part) {
    // The length first, so that no two lists of strings give the same bytes.
    const std::string framed = text(part.size(), ':', part);
    hash.update({reinterpret_cast<const uint8_t*>(framed.data()), framed.size()});
  };
  for (const std::string& token : definition.tokens) add(token);
  add(text("merges ", definition.merges.size()));
  for (const Merge& merge : definition.merges) add(text(merge.left, ' ', merge.right, ' ', merge.merged));
  for (const AddedToken& token : definition.added) {
    add(token.content);
    add(text(token.id, token.special, token.normalized, token.strip_left, token.strip_right));
  }
  add(text("prefix space ", definition.add_prefix_space));
  return hash.hex();
}

DocumentTokenizer document_tokenizer(std::shared_ptr<const ByteLevelTokenizer> tokenizer) {
  DocumentTokenizer result;
  result.vocabulary_size = tokenizer->vocabulary_size();
  result.special = tokenizer->special_ids();
  result.hash = tokenizer_hash(tokenizer->definition());
  result.encode = [tokenizer = std::move(tokenizer)](std::string_view content) {
    return tokenizer->encode(content, false);
  };
  return result;
}

}  // namespace lf
