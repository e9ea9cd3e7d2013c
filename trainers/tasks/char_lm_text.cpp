#include "trainers/tasks/char_lm_text.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "layers/char_lm_decoder.h"

namespace lf {

CharLMText::CharLMText(const CharLM& model, CharLMPattern pattern, const TokenFile& corpus)
    : model_(model), pattern_(std::move(pattern)), corpus_(corpus) {}

std::vector<int32_t> CharLMText::encode(const std::string& prompt, const std::string& record) const {
  const std::vector<uint8_t>& symbols = corpus_.header().symbols;
  const auto token_of = [&](uint8_t byte) {
    const auto found = std::find(symbols.begin(), symbols.end(), byte);
    return found == symbols.end() ? -1 : static_cast<int32_t>(found - symbols.begin());
  };
  if (prompt.empty()) return {token_of('\n') >= 0 ? token_of('\n') : std::max(token_of(' '), 0)};
  std::vector<int32_t> ids;
  for (size_t i = 0; i < prompt.size(); ++i) {
    ids.push_back(token_of(static_cast<uint8_t>(prompt[i])));
    if (ids.back() >= 0) continue;
    throw UsageError(text("prompt of record ", record, ": byte ",
                          static_cast<int>(static_cast<uint8_t>(prompt[i])), " at position ", i,
                          " is not among the ", symbols.size(), " symbols of the run's corpus"));
  }
  return ids;
}

std::unique_ptr<Decoder> CharLMText::decoder() const {
  return std::make_unique<CharLMDecoder>(model_, pattern_);
}

}  // namespace lf
