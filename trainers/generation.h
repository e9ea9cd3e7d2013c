// Text from a character model: sampling, one token at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers/char_lm_decoder.h"

namespace lf {

// How the next token is chosen; named as in Hugging Face's generation settings.
struct SamplingSettings {
  int64_t max_new_tokens = 500;
  bool do_sample = true;     // false: always the most likely token
  double temperature = 1.0;  // logits are divided by it
  int64_t top_k = 0;         // only the k most likely; 0: all
  double top_p = 1.0;        // only the most likely ones whose probabilities sum up to p
  uint64_t seed = 1;

  // Throws UsageError naming the setting that is out of range.
  void validate() const;
};

// Settings from a JSON object with Hugging Face's names; throws UsageError for a key it does not know.
SamplingSettings sampling_from_json(const std::string& json, const SamplingSettings& defaults);

struct Generated {
  std::vector<int32_t> ids;  // the new tokens
  double score = 0;          // mean log-probability of the new tokens under the model, in nats
};

// Feeds the prompt (at least one token), then draws tokens. A pure function of the model, the prompt and the
// settings; `record` tells apart prompts that share a seed.
Generated generate(CharLMDecoder& decoder, const std::vector<int32_t>& prompt,
                   const SamplingSettings& settings, uint64_t record = 0);

// One draw: the index chosen from the logits by a uniform number in (0, 1).
int32_t choose_token(const std::vector<float>& logits, const SamplingSettings& settings, double uniform);

}  // namespace lf
