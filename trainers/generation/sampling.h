// Text from a model that writes: sampling, one token at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "layers/decoder.h"

namespace lf {

// How a text goes on; named as in Hugging Face's generation settings.
struct SamplingSettings {
  int64_t max_new_tokens = 500;
  bool do_sample = true;
  double temperature = 1.0;
  int64_t top_k = 0;
  double top_p = 1.0;
  uint64_t seed = 1;

  // How each token is chosen.
  kernels::Sampling choice() const { return {do_sample, temperature, top_k, top_p}; }

  // Throws UsageError naming the setting that is out of range, behind `who`.
  void validate(const std::string& who = "") const;
};

// Settings from a JSON object with Hugging Face's names, as a generation_config.json has them; throws
// UsageError, naming `source`, for a key that may change the text and is not known.
SamplingSettings sampling_from_json(const std::string& json, const std::string& source,
                                    const SamplingSettings& defaults);

struct Generated {
  std::vector<int32_t> ids;  // the new tokens
  double score = 0;          // mean log-probability of the new tokens under the model, in nats
};

// Feeds the prompt (at least one token), then draws tokens, where the model is: a device is waited for at the
// end. A pure function of the model, the prompt and the settings; `record` tells apart prompts that share a
// seed. Throws an Error when the model's probabilities are not finite.
Generated generate(Decoder& decoder, const std::vector<int32_t>& prompt, const SamplingSettings& settings,
                   uint64_t record = 0);

}  // namespace lf
