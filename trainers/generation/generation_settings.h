// How texts are written from sources: by the likeliest token, by chance, or by a search over several beams.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainers/generation/generation_choices.h"
#include "trainers/generation/sampling.h"

namespace lf {

// Named as in Hugging Face's generation settings, which say what each means (transformers 5.23). Lengths
// count the prompt, which is one token where none is given.
struct GenerationSettings {
  std::optional<int64_t> max_length, max_new_tokens;  // neither: 20 new tokens; both: max_new_tokens
  int64_t min_length = 0, min_new_tokens = 0;
  int64_t num_beams = 1, num_return_sequences = 1;
  double length_penalty = 1.0;  // a text's score is its log-probability / (new tokens) ^ length_penalty
  EarlyStopping early_stopping = EarlyStopping::no;
  int64_t no_repeat_ngram_size = 0;  // 0: any n-gram may stand twice
  double repetition_penalty = 1.0;
  std::optional<int32_t> forced_begin;  // the first token behind a prompt of one
  std::vector<int32_t> forced_end;      // the last one of a text of the greatest length
  std::vector<int32_t> end_ids;         // each ends a text
  std::optional<int32_t> start;         // what texts begin with instead of the model's own
  bool do_sample = false;               // with one beam
  double temperature = 1.0, top_p = 1.0;
  int64_t top_k = 50;  // as in transformers
  uint64_t seed = 1;

  kernels::Sampling choice() const { return {do_sample, temperature, top_k, top_p}; }
  bool ends(int32_t id) const { return std::find(end_ids.begin(), end_ids.end(), id) != end_ids.end(); }
  int64_t longest(int64_t prompt) const;
  int64_t shortest(int64_t prompt) const;

  // Throws UsageError, `who` before it, naming settings that are out of range or contradict each other.
  void validate(const std::string& who = "") const;
  // Throws UsageError for a token's id that a model of so many tokens does not have.
  void validate_ids(int64_t vocabulary) const;
};

// What generation_from_json reads as the same, and transformers as its own; texts begin with `start`.
std::string generation_json(const GenerationSettings& settings, int32_t padding, int32_t start);

// Settings from a JSON object with Hugging Face's names over those given, as a generation_config.json has
// them. Throws UsageError naming `source` and the key that may change the text and is not known.
GenerationSettings generation_from_json(const std::string& json, const std::string& source,
                                        const GenerationSettings& defaults);

}  // namespace lf
