#include "trainers/generation/settings_json.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

namespace lf {

bool is_without_effect(const std::string& key, const nlohmann::json& value) {
  const auto one_of = [&](std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), key) != names.end();
  };
  if (key.starts_with('_') || key.ends_with("_token_id") || value.empty()) return true;  // null, [] and {}
  if (one_of({"transformers_version", "use_cache", "cache_implementation", "output_attentions",
              "output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate"}))
    return true;
  if (one_of({"num_beams", "num_return_sequences", "num_beam_groups", "repetition_penalty",
              "encoder_repetition_penalty", "length_penalty", "typical_p", "guidance_scale"}))
    return value == 1;
  if (one_of({"no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "min_length", "min_new_tokens",
              "diversity_penalty", "epsilon_cutoff", "eta_cutoff", "penalty_alpha", "min_p"}))
    return value == 0;
  if (one_of({"early_stopping", "renormalize_logits", "remove_invalid_values"})) return value == false;
  return false;
}

}  // namespace lf
