#include "trainers/huggingface/model_config.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/files.h"

namespace lf {
namespace {

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

int64_t positive(const ModelConfig& config, const char* key) {
  const auto value = value_of<int64_t>(config, key, std::nullopt);
  constexpr int64_t kLargest = int64_t{1} << 31;
  CHECK(value > 0 && value < kLargest, config.path, ": ", key, " is ", value);
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
  CHECK(std::filesystem::is_directory(folder), folder,
        " is no folder; a model is a folder with config.json, "
        "model.safetensors and its tokenizer's files");
  CHECK(std::filesystem::is_regular_file(config.path), folder,
        " has no config.json: it is not a model's folder");
  config.json = nlohmann::json::parse(read_file(config.path), nullptr, false);
  CHECK(config.json.is_object(), config.path, " is not a JSON object");
  return config;
}

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
  shape.vocabulary = positive(config, "vocab_size");
  shape.width = positive(config, "hidden_size");
  shape.layers = positive(config, "num_hidden_layers");
  shape.heads = positive(config, "num_attention_heads");
  shape.feed_forward = positive(config, "intermediate_size");
  shape.positions = positive(config, "max_position_embeddings");
  shape.token_types = positive(config, "type_vocab_size");
  shape.padding_id = static_cast<int32_t>(value_of<int64_t>(config, "pad_token_id", 1));
  shape.layer_norm_epsilon = value_of<double>(config, "layer_norm_eps", 1e-12);
  shape.dropout = value_of<double>(config, "hidden_dropout_prob", 0.1);
  shape.attention_dropout = value_of<double>(config, "attention_probs_dropout_prob", 0.1);
  CHECK(shape.width % shape.heads == 0, config.path, ": num_attention_heads ", shape.heads,
        " does not divide hidden_size ", shape.width);
  CHECK(shape.padding_id >= 0 && shape.longest() > 0, config.path, ": max_position_embeddings ",
        shape.positions, " leaves no positions behind pad_token_id ", shape.padding_id);
  if (longformer) shape.windows = windows_of(config, shape.layers);
  return shape;
}

}  // namespace lf
