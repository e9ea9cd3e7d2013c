#include "trainers/generation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/random.h"

namespace lf {
namespace {

double log_sum_exp(const std::vector<float>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - largest);
  return largest + std::log(sum);
}

}  // namespace

void SamplingSettings::validate() const {
  if (max_new_tokens < 1) throw UsageError(text("max_new_tokens is ", max_new_tokens, "; needed at least 1"));
  if (!(temperature > 0))
    throw UsageError(text("temperature is ", temperature, "; needed above 0 (do_sample: false is greedy)"));
  if (top_k < 0) throw UsageError(text("top_k is ", top_k, "; needed at least 0"));
  if (!(top_p > 0 && top_p <= 1))
    throw UsageError(text("top_p is ", top_p, "; needed above 0 and at most 1"));
}

SamplingSettings sampling_from_json(const std::string& json, const SamplingSettings& defaults) {
  const auto object = nlohmann::json::parse(json, nullptr, false);
  if (!object.is_object()) throw UsageError("generation settings: needed a JSON object");
  SamplingSettings s = defaults;
  for (const auto& [key, value] : object.items()) {
    const auto require = [&, &name = key, &given = value](bool ok, const char* needed) {
      if (!ok)
        throw UsageError(text("generation settings: ", name, " is ", given.dump(), "; needed ", needed));
    };
    if (key == "max_new_tokens" || key == "top_k") {
      require(value.is_number_integer(), "a whole number");
      (key == "top_k" ? s.top_k : s.max_new_tokens) = value.get<int64_t>();
    } else if (key == "temperature" || key == "top_p") {
      require(value.is_number(), "a number");
      (key == "top_p" ? s.top_p : s.temperature) = value.get<double>();
    } else if (key == "do_sample") {
      require(value.is_boolean(), "true or false");
      s.do_sample = value.get<bool>();
    } else if (key == "seed") {
      require(value.is_number_unsigned(), "a whole number of at least 0");
      s.seed = value.get<uint64_t>();
    } else {
      throw UsageError("generation settings: unknown key \"" + key +
                       "\"; known are max_new_tokens, do_sample, temperature, top_k, top_p, seed");
    }
  }
  s.validate();
  return s;
}

int32_t choose_token(const std::vector<float>& logits, const SamplingSettings& settings, double uniform) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (!settings.do_sample) return static_cast<int32_t>(best - logits.begin());
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  // Ties keep the order of ids, so that the choice does not depend on the sort.
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  if (settings.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(settings.top_k)));
  std::vector<double> weights;
  double total = 0;
  for (const int32_t id : order) {
    weights.push_back(std::exp((logits[static_cast<size_t>(id)] - *best) / settings.temperature));
    total += weights.back();
  }
  double kept = 0;
  size_t count = 0;
  while (count < weights.size() && (count == 0 || kept < settings.top_p * total)) kept += weights[count++];
  double left = uniform * kept;
  for (size_t i = 0; i < count; ++i) {
    left -= weights[i];
    if (left <= 0) return order[i];
  }
  return order[count - 1];
}

Generated generate(CharLMDecoder& decoder, const std::vector<int32_t>& prompt,
                   const SamplingSettings& settings, uint64_t record) {
  CHECK(!prompt.empty(), "generate: the prompt is empty; at least one token is needed");
  settings.validate();
  std::vector<float> logits;
  for (const int32_t id : prompt) logits = decoder.next(id);
  const RandomKey key{settings.seed, kSamplingUse, record};
  Generated result;
  double log_probability = 0;
  for (int64_t i = 0; i < settings.max_new_tokens; ++i) {
    const int32_t id = choose_token(logits, settings, uniform(key, static_cast<uint64_t>(i)));
    log_probability += logits[static_cast<size_t>(id)] - log_sum_exp(logits);
    result.ids.push_back(id);
    if (i + 1 < settings.max_new_tokens) logits = decoder.next(id);
  }
  result.score = log_probability / static_cast<double>(result.ids.size());
  return result;
}

}  // namespace lf
