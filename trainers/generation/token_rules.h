// What a text may not go on with, and what it must: Hugging Face's logits processors, in their order.
#pragma once

#include <cstdint>
#include <vector>

#include "trainers/generation/generation_settings.h"

namespace lf {

class TokenRules {
 public:
  // For texts that begin with a prompt of so many tokens.
  TokenRules(const GenerationSettings& settings, int64_t prompt);

  // Changes the scores (V) of the token behind `text`: -infinity where it may not stand.
  void apply(const std::vector<int32_t>& text, float* scores, int64_t vocabulary) const;

 private:
  const GenerationSettings& settings_;
  int64_t longest_, shortest_;
};

}  // namespace lf
