// A model that writes text token by token, with what its tokens stand for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layers/decoder.h"

namespace lf {

class TextModel {
 public:
  virtual ~TextModel() = default;

  // A prompt's tokens, at least one. UsageError naming `record` where the text has no tokens of this model.
  virtual std::vector<int32_t> encode(const std::string& prompt, const std::string& record) const = 0;
  virtual std::string decode(const std::vector<int32_t>& ids) const = 0;
  // For one text, from its start.
  virtual std::unique_ptr<Decoder> decoder() const = 0;
};

}  // namespace lf
