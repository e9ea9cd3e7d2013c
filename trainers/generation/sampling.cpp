#include "trainers/generation/sampling.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/format.h"
#include "core/json.h"
#include "core/messages.h"
#include "core/random.h"
#include "trainers/generation/settings_json.h"

namespace lf {

void SamplingSettings::validate(const std::string& who) const {
  if (max_new_tokens < 1)
    throw UsageError(text(who, "max_new_tokens is ", max_new_tokens, "; needed at least 1"));
  if (!(temperature > 0))
    throw UsageError(
        text(who, "temperature is ", temperature, "; needed above 0 (do_sample: false is greedy)"));
  if (top_k < 0) throw UsageError(text(who, "top_k is ", top_k, "; needed at least 0"));
  if (!(top_p > 0 && top_p <= 1))
    throw UsageError(text(who, "top_p is ", top_p, "; needed above 0 and at most 1"));
}

SamplingSettings sampling_from_json(const std::string& json, const std::string& source,
                                    const SamplingSettings& defaults) {
  const auto object = parse_json_of_python(json, source);
  if (!object.is_object()) throw UsageError(source + ": needed a JSON object");
  SamplingSettings s = defaults;
  std::vector<std::string> left_out;
  for (const auto& [key, value] : object.items()) {
    const auto require = [&, &name = key, &given = value](bool ok, const char* needed) {
      if (!ok) throw UsageError(text(source, ": ", name, " is ", given.dump(), "; needed ", needed));
    };
    if (key == "max_length") continue;
    if (is_without_effect(key, value)) {
      left_out.push_back(key);
    } else if (key == "max_new_tokens" || key == "top_k") {
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
      throw UsageError(
          text(source, ": unknown key \"", key,
               "\", which may change the text; known are max_new_tokens, do_sample, temperature, ",
               "top_k, top_p, seed"));
    }
  }
  if (!left_out.empty()) messages::warning(source + ": left out, without effect here: " + joined(left_out));
  if (object.contains("max_length") && !object.contains("max_new_tokens"))
    messages::warning(source + ": max_length is not used; max_new_tokens bounds a text");
  s.validate(source + ": ");
  return s;
}

Generated generate(Decoder& decoder, const std::vector<int32_t>& prompt, const SamplingSettings& settings,
                   uint64_t record) {
  CHECK(!prompt.empty(), "generate: the prompt is empty; at least one token is needed");
  settings.validate();
  Tensor logits;
  for (const int32_t id : prompt) logits = decoder.next(Tensor::from({1}, std::vector{id}));
  const RandomKey key{settings.seed, kSamplingUse, record};
  const int64_t count = settings.max_new_tokens;
  const Tensor ids = Tensor::empty({count}, DType::i32, logits.device()),
               log_probabilities = Tensor::empty({count}, DType::f32, logits.device());
  for (int64_t i = 0; i < count; ++i) {
    Tensor id = ids.slice(i, i + 1), log_probability = log_probabilities.slice(i, i + 1);
    kernels::sample(settings.choice(), uniform(key, static_cast<uint64_t>(i)), logits, id, log_probability);
    if (i + 1 < count) logits = decoder.next(id);
  }
  const Tensor written = ids.to(Device::cpu);
  Generated result;
  result.ids.assign(written.data<int32_t>(), written.data<int32_t>() + count);
  for (const double value : log_probabilities.to_doubles())
    result.score += value / static_cast<double>(count);
  CHECK(std::isfinite(result.score),
        "generate: the model's probabilities are not finite: its weights are of no use");
  return result;
}

}  // namespace lf
