// A character language model as a writer of text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layers/char_lm.h"
#include "trainers/generation/text_model.h"

namespace lf {

class CharLMText : public TextModel {
 public:
  // alphabet[token] is the byte that it stands for. The model must outlive this object.
  CharLMText(const CharLM& model, CharLMPattern pattern, std::vector<uint8_t> alphabet);

  // One token for each byte. An empty prompt starts after a line end, or after a space where the alphabet has
  // no line ends.
  std::vector<int32_t> encode(const std::string& prompt, const std::string& record) const override;
  std::string decode(const std::vector<int32_t>& ids) const override;
  std::unique_ptr<Decoder> decoder() const override;

 private:
  const CharLM& model_;
  CharLMPattern pattern_;
  std::vector<uint8_t> alphabet_;
};

}  // namespace lf
