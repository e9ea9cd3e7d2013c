#include "data/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "data/tokenizer/pre_tokenizer.h"

namespace lf {

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    Pass& pass = passes_[token.normalized ? 1 : 0];
    auto& same_begin = pass.beginning_with[static_cast<uint8_t>(token.content[0])];
    if (same_begin.empty()) pass.first_bytes += token.content[0];
    same_begin.push_back(token);
  }
  for (Pass& pass : passes_) {
    for (auto& same_begin : pass.beginning_with) {
      std::sort(same_begin.begin(), same_begin.end(),
                [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
    }
  }
}

size_t AddedTokenFinder::Pass::next_begin(std::string_view text, size_t at) const {
  if (first_bytes.size() == 1)
    return std::min(text.find(first_bytes[0], at), text.size());  // nearly always '<'
  while (at < text.size() && beginning_with[static_cast<uint8_t>(text[at])].empty()) ++at;
  return at;
}

const AddedToken* AddedTokenFinder::Pass::token_at(std::string_view text, size_t at) const {
  for (const AddedToken& token : beginning_with[static_cast<uint8_t>(text[at])]) {
    if (text.substr(at).starts_with(token.content)) return &token;
  }
  return nullptr;
}

void AddedTokenFinder::split_section(const Pass& pass, std::string_view text, const TextSection& section,
                                     std::vector<TextSection>& sections) {
  const std::string_view part =
      text.substr(static_cast<size_t>(section.begin), static_cast<size_t>(section.end - section.begin));
  const auto add = [&](size_t begin, size_t end, int32_t id) {
    sections.push_back(
        {section.begin + static_cast<int64_t>(begin), section.begin + static_cast<int64_t>(end), id});
  };
  size_t done = 0;
  for (size_t at = 0; (at = pass.next_begin(part, at)) < part.size();) {
    const AddedToken* token = pass.token_at(part, at);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    // White space that the token before took already stays with it.
    if (token->strip_left) begin = std::max(trailing_space_begin(part.substr(0, begin)), done);
    if (token->strip_right) end += leading_space_end(part.substr(end));
    if (done < begin) add(done, begin, TextSection::kNoToken);
    add(begin, end, token->id);
    done = end;
  }
  if (done < part.size()) add(done, part.size(), TextSection::kNoToken);
}

std::vector<TextSection> AddedTokenFinder::split(std::string_view text) const {
  std::vector<TextSection> sections;
  if (!text.empty()) sections.push_back({0, static_cast<int64_t>(text.size()), TextSection::kNoToken});
  for (const Pass& pass : passes_) {
    if (pass.first_bytes.empty()) continue;
    std::vector<TextSection> finer;
    for (const TextSection& section : sections) {
      if (section.id == TextSection::kNoToken) {
        split_section(pass, text, section, finer);
      } else {
        finer.push_back(section);
      }
    }
    sections = std::move(finer);
  }
  return sections;
}

}  // namespace lf
