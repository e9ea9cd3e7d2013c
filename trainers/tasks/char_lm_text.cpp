#include "trainers/tasks/char_lm_text.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "layers/char_lm_decoder.h"

namespace lf {

CharLMText::CharLMText(const CharLM& model, CharLMPattern pattern, std::vector<uint8_t> alphabet)
    : model_(model), pattern_(std::move(pattern)), alphabet_(std::move(alphabet)) {}

std::vector<int32_t> CharLMText::encode(const std::string& prompt, const std::string& record) const {
  const auto token_of = [&](uint8_t byte) {
    const auto found = std::find(alphabet_.begin(), alphabet_.end(), byte);
    return found == alphabet_.end() ? -1 : static_cast<int32_t>(found - alphabet_.begin());
  };
  if (prompt.empty()) return {token_of('\n') >= 0 ? token_of('\n') : std::max(token_of(' '), 0)};
  std::vector<int32_t> ids;
  for (size_t i = 0; i < prompt.size(); ++i) {
    ids.push_back(token_of(static_cast<uint8_t>(prompt[i])));
    if (ids.back() >= 0) continue;
    throw UsageError(text("prompt of record ", record, ": byte ", hex_byte(static_cast<uint8_t>(prompt[i])),
                          " at position ", i, " is not among the ", alphabet_.size(),
                          " symbols of the run's corpus"));
  }
  return ids;
}

std::string CharLMText::decode(const std::vector<int32_t>& ids) const {
  std::string bytes;
  for (const int32_t id : ids) {
    // A model may have more symbols than its corpus (model.vocabulary).
    CHECK(id >= 0 && id < std::ssize(alphabet_), "the model wrote symbol ", id, ", the run's corpus has ",
          alphabet_.size());
    bytes += static_cast<char>(alphabet_[static_cast<size_t>(id)]);
  }
  return bytes;
}

std::unique_ptr<Decoder> CharLMText::decoder() const {
  return std::make_unique<CharLMDecoder>(model_, pattern_);
}

}  // namespace lf
