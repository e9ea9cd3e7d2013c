#include "trainers/huggingface/model_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>

#include "core/file_paths.h"
#include "core/files.h"
#include "core/json.h"

namespace lf {
namespace {

constexpr int64_t kMostRows = 1 << 24, kMostWidth = 1 << 20, kMostLayers = 4096;

// A key of config.json as T; `fallback` where it is absent or null.
template <class T>
T value_of(const ModelConfig& config, const char* key, const std::optional<T>& fallback) {
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

int64_t positive(const ModelConfig& config, const char* key, int64_t most) {
  const auto value = value_of<int64_t>(config, key, std::nullopt);
  CHECK(value > 0 && value <= most, config.path, ": ", key, " is ", value, "; needed 1 to ", most);
  return value;
}

// A number from 0 to below 1.
double fraction(const ModelConfig& config, const char* key, double fallback) {
  const auto value = value_of<double>(config, key, fallback);
  CHECK(value >= 0 && value < 1, config.path, ": ", key, " is ", value, "; needed 0 to below 1");
  return value;
}

void refuse_what_is_not_built(const ModelConfig& config) {
  const auto activation = value_of<std::string>(config, "hidden_act", "gelu");
  CHECK(activation == "gelu", config.path, ": hidden_act is ", activation,
        "; only gelu (the exact form) is supported");
  const auto positions = value_of<std::string>(config, "position_embedding_type", "absolute");
  CHECK(positions == "absolute", config.path, ": position_embedding_type is ", positions,
        "; only absolute positions are supported");
  CHECK(!value_of<bool>(config, "is_decoder", false), config.path,
        ": is_decoder is true; only encoders are supported");
  CHECK(value_of<bool>(config, "tie_word_embeddings", true), config.path,
        ": tie_word_embeddings is false; only models whose output layer is the word embedding are supported");
}

// One window for all layers or one per layer.
std::vector<int64_t> windows_of(const ModelConfig& config, int64_t layers) {
  const auto found = config.json.find("attention_window");
  CHECK(found != config.json.end(), config.path, ": attention_window is missing");
  if (found->is_number_integer()) {
    return std::vector<int64_t>(static_cast<size_t>(layers), found->get<int64_t>());
  }
  CHECK(found->is_array() && std::ssize(*found) == layers, config.path, ": attention_window is ",
        found->dump(), ", needed a number or one for each of ", layers, " layers");
  std::vector<int64_t> windows;
  for (const auto& window : *found) {
    CHECK(window.is_number_integer(), config.path, ": attention_window has ", window.dump(),
          ", needed integers");
    windows.push_back(window.get<int64_t>());
  }
  return windows;
}

}  // namespace

std::string ModelConfig::type() const { return value_of<std::string>(*this, "model_type", std::nullopt); }

ModelConfig read_model_config(const std::string& folder) {
  ModelConfig config{.path = folder + "/config.json", .json = {}};
  check_exists(folder);
  CHECK(std::filesystem::is_directory(folder), folder,
        " is no folder; a model is a folder with config.json, "
        "model.safetensors and its tokenizer's files");
  CHECK(is_there(config.path), folder, " has no config.json: it is not a model's folder");
  config.json = parse_json_of_python(read_text_file(config.path), config.path);
  CHECK(config.json.is_object(), config.path, " is not a JSON object");
  return config;
}

double initializer_range(const ModelConfig& config) { return fraction(config, "initializer_range", 0.02); }

bool is_roberta_type(const std::string& type) {
  constexpr std::array types = {"roberta", "xlm-roberta", "camembert"};
  return std::find(types.begin(), types.end(), type) != types.end();
}

EncoderShape encoder_shape(const ModelConfig& config) {
  const std::string type = config.type();
  const bool longformer = type == "longformer";
  CHECK(longformer || is_roberta_type(type), config.path, ": model_type is ", type,
        "; supported are longformer and RoBERTa's (roberta, xlm-roberta, camembert)");
  refuse_what_is_not_built(config);
  EncoderShape shape;
  shape.vocabulary = positive(config, "vocab_size", kMostRows);
  shape.width = positive(config, "hidden_size", kMostWidth);
  shape.layers = positive(config, "num_hidden_layers", kMostLayers);
  shape.heads = positive(config, "num_attention_heads", kMostWidth);
  shape.feed_forward = positive(config, "intermediate_size", kMostWidth);
  shape.positions = positive(config, "max_position_embeddings", kMostRows);
  shape.token_types = positive(config, "type_vocab_size", kMostRows);
  const auto padding = value_of<int64_t>(config, "pad_token_id", 1);
  CHECK(padding >= 0 && padding < std::min(shape.vocabulary, shape.positions - 1), config.path,
        ": pad_token_id is ", padding, "; it must be in the vocabulary and leave positions behind it");
  shape.padding_id = static_cast<int32_t>(padding);
  shape.layer_norm_epsilon = fraction(config, "layer_norm_eps", 1e-12);
  shape.dropout = fraction(config, "hidden_dropout_prob", 0.1);
  shape.attention_dropout = fraction(config, "attention_probs_dropout_prob", 0.1);
  CHECK(shape.width % shape.heads == 0, config.path, ": num_attention_heads ", shape.heads,
        " does not divide hidden_size ", shape.width);
  if (longformer) shape.windows = windows_of(config, shape.layers);
  return shape;
}

}  // namespace lf
