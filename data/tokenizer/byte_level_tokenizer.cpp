#include "data/tokenizer/byte_level_tokenizer.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/check.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

TokenizerDefinition checked(TokenizerDefinition definition) {
  check_definition(definition);
  return definition;
}

// What most texts need is known only afterwards; a token has about four bytes of English.
size_t expected_tokens(std::string_view text) { return text.size() / 4 + 4; }

}  // namespace

ByteLevelTokenizer::ByteLevelTokenizer(const std::string& path, const TokenizerOptions& options)
    : ByteLevelTokenizer(read_tokenizer_definition(path, options)) {}

ByteLevelTokenizer::ByteLevelTokenizer(TokenizerDefinition definition)
    : definition_(checked(std::move(definition))), merges_(definition_), added_(definition_.added) {
  for (const std::string& token : definition_.tokens) {
    if (!token.empty()) ids_.emplace(token, static_cast<int32_t>(bytes_.size()));
    bytes_.push_back(bytes_of_token(token).value_or(token));
  }
  is_special_.resize(bytes_.size());
  for (const AddedToken& token : definition_.added) {
    // An added token is text, not the byte alphabet, also where the alphabet has all its characters.
    bytes_[static_cast<size_t>(token.id)] = token.content;
    is_special_[static_cast<size_t>(token.id)] = token.special;
  }
  const auto named = [&](const std::optional<std::string>& name, const char* usual) {
    const std::optional<int32_t> id = name ? id_of(*name) : std::nullopt;
    return id ? id : id_of(usual);
  };
  const SpecialNames& names = definition_.special;
  special_ = {named(names.begin, "<s>"), named(names.padding, "<pad>"), named(names.end, "</s>"),
              named(names.unknown, "<unk>"), named(names.mask, "<mask>")};
  if (definition_.ends) special_.begin = definition_.ends->begin, special_.end = definition_.ends->end;
  const std::optional<int32_t> only = id_of("<|endoftext|>");  // GPT-2 has this one in all their places
  if (!special_.begin) special_.begin = only;
  if (!special_.end) special_.end = only;
}

void ByteLevelTokenizer::append_section(std::string_view section, PieceCache& cache,
                                        std::vector<int32_t>& ids) const {
  const char* const end = section.data() + section.size();
  for (const char* begin = section.data(); begin < end;) {
    const char* const next = piece_end(begin, end);
    cache.append({begin, static_cast<size_t>(next - begin)}, ids,
                 [this](std::string_view piece, std::vector<int32_t>& out) { merges_.append(piece, out); });
    begin = next;
  }
}

void ByteLevelTokenizer::append_ranges(const TextSection& section, bool prefixed,
                                       std::span<const int32_t> ids, std::vector<ByteRange>& ranges) const {
  if (section.id != TextSection::kNoToken) {
    ranges.push_back({section.begin, section.end});
    return;
  }
  int64_t at = section.begin - prefixed;
  for (const int32_t id : ids) {
    const int64_t end = at + static_cast<int64_t>(bytes_[static_cast<size_t>(id)].size());
    ranges.push_back({std::max(at, section.begin), end});
    at = end;
  }
}

void ByteLevelTokenizer::append_valid(std::string_view text, std::vector<int32_t>& ids,
                                      std::vector<ByteRange>* ranges) const {
  caches_->use([&](PieceCache& cache) {
    for (const TextSection& section : added_.split(text)) {
      const std::string_view part =
          text.substr(static_cast<size_t>(section.begin), static_cast<size_t>(section.end - section.begin));
      const size_t before = ids.size();
      const bool is_token = section.id != TextSection::kNoToken;
      const bool prefixed = !is_token && definition_.add_prefix_space && part[0] != ' ';
      if (is_token) {
        ids.push_back(section.id);
      } else if (prefixed) {
        append_section(" " + std::string(part), cache, ids);
      } else {
        append_section(part, cache, ids);
      }
      if (ranges) append_ranges(section, prefixed, std::span(ids).subspan(before), *ranges);
    }
  });
}

void ByteLevelTokenizer::append_text(std::string_view text, std::vector<int32_t>& ids,
                                     std::vector<ByteRange>* ranges) const {
  if (first_invalid_utf8(text) == text.size()) return append_valid(text, ids, ranges);
  const RepairedText repaired(text);
  const size_t before = ranges ? ranges->size() : 0;
  append_valid(repaired.text(), ids, ranges);
  if (!ranges) return;
  for (size_t i = before; i < ranges->size(); ++i) {
    ByteRange& range = (*ranges)[i];
    range = {repaired.original_position(range.begin, false), repaired.original_position(range.end, true)};
  }
}

std::vector<int32_t> ByteLevelTokenizer::encode(std::string_view text, bool add_special_tokens) const {
  std::vector<int32_t> ids;
  ids.reserve(expected_tokens(text));
  const bool ends = add_special_tokens && definition_.ends;
  if (ends) ids.push_back(definition_.ends->begin);
  append_text(text, ids, nullptr);
  if (ends) ids.push_back(definition_.ends->end);
  return ids;
}

std::vector<int32_t> ByteLevelTokenizer::encode_pair(std::string_view text, std::string_view second,
                                                     bool add_special_tokens) const {
  std::vector<int32_t> ids = encode(text, add_special_tokens);
  const bool ends = add_special_tokens && definition_.ends;
  if (ends && definition_.ends->between == 2) ids.push_back(definition_.ends->end);
  append_text(second, ids, nullptr);
  if (ends) ids.push_back(definition_.ends->end);
  return ids;
}

Encoding ByteLevelTokenizer::encode_with_ranges(std::string_view text, bool add_special_tokens) const {
  Encoding result;
  const bool ends = add_special_tokens && definition_.ends;
  const auto add_end = [&](int32_t id, int64_t at) {
    result.ids.push_back(id);
    result.ranges.push_back({at, at});
  };
  if (ends) add_end(definition_.ends->begin, 0);
  append_text(text, result.ids, &result.ranges);
  if (ends) add_end(definition_.ends->end, static_cast<int64_t>(text.size()));
  return result;
}

std::vector<std::vector<int32_t>> ByteLevelTokenizer::encode_all(std::span<const std::string_view> texts,
                                                                 bool add_special_tokens) const {
  std::vector<std::vector<int32_t>> result(texts.size());
  std::exception_ptr failure;  // an exception must not leave the parallel loop
  // Documents differ in length a thousandfold.
#pragma omp parallel for schedule(dynamic)
  for (size_t i = 0; i < texts.size(); ++i) {
    try {
      result[i] = encode(texts[i], add_special_tokens);
    } catch (...) {
#pragma omp critical(tokenizer_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return result;
}

std::string ByteLevelTokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::string result;
  for (const int32_t id : ids) {
    token(id);  // checks the id
    if (skip_special_tokens && is_special_[static_cast<size_t>(id)]) continue;
    result += bytes_[static_cast<size_t>(id)];
  }
  return result;
}

const std::string& ByteLevelTokenizer::token(int32_t id) const {
  CHECK(id >= 0 && id < vocabulary_size(), definition_.source, ": token id ", id,
        " is outside the vocabulary of ", vocabulary_size(), " tokens");
  const std::string& token = definition_.tokens[static_cast<size_t>(id)];
  CHECK(!token.empty(), definition_.source, ": no token has the id ", id);
  return token;
}

std::optional<int32_t> ByteLevelTokenizer::id_of(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace lf
