// The values of a config.json, checked; errors name the file and the key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/check.h"
#include "trainers/huggingface/model_config.h"

namespace lf {

constexpr int64_t kMostRows = 1 << 24, kMostWidth = 1 << 20, kMostLayers = 4096;

// A key of config.json as T; `fallback` where it is absent or null.
template <class T>
T config_value(const ModelConfig& config, const char* key, const std::optional<T>& fallback) {
  const auto found = config.json.find(key);
  if (found == config.json.end() || found->is_null()) {
    CHECK(fallback, config.path, ": ", key, " is missing");
    return *fallback;
  }
  try {
    if constexpr (std::is_same_v<T, int64_t>) {
      CHECK(found->is_number_integer(), config.path, ": ", key, " is ", found->dump(), ", needed an integer");
    }
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    throw Error(text(config.path, ": ", key, " is ", found->dump(), ", which is not of the right type"));
  }
}

inline int64_t positive_value(const ModelConfig& config, const char* key, int64_t most) {
  const auto value = config_value<int64_t>(config, key, std::nullopt);
  CHECK(value > 0 && value <= most, config.path, ": ", key, " is ", value, "; needed 1 to ", most);
  return value;
}

// A number from 0 to below 1.
inline double fraction_value(const ModelConfig& config, const char* key, double fallback) {
  const auto value = config_value<double>(config, key, fallback);
  CHECK(value >= 0 && value < 1, config.path, ": ", key, " is ", value, "; needed 0 to below 1");
  return value;
}

// "attention_window": one window for all layers, or one per layer.
std::vector<int64_t> attention_windows(const ModelConfig& config, int64_t layers);

}  // namespace lf
