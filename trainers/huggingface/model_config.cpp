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
#include "trainers/huggingface/config_values.h"

namespace lf {
namespace {

void refuse_what_is_not_built(const ModelConfig& config) {
  const auto activation = config_value<std::string>(config, "hidden_act", "gelu");
  CHECK(activation == "gelu", config.path, ": hidden_act is ", activation,
        "; only gelu (the exact form) is supported");
  const auto positions = config_value<std::string>(config, "position_embedding_type", "absolute");
  CHECK(positions == "absolute", config.path, ": position_embedding_type is ", positions,
        "; only absolute positions are supported");
  CHECK(!config_value<bool>(config, "is_decoder", false), config.path,
        ": is_decoder is true; only encoders are supported");
  CHECK(config_value<bool>(config, "tie_word_embeddings", true), config.path,
        ": tie_word_embeddings is false; only models whose output layer is the word embedding are supported");
}

}  // namespace

std::string ModelConfig::type() const { return config_value<std::string>(*this, "model_type", std::nullopt); }

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

double initializer_range(const ModelConfig& config) {
  return fraction_value(config, "initializer_range", 0.02);
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
  shape.vocabulary = positive_value(config, "vocab_size", kMostRows);
  shape.width = positive_value(config, "hidden_size", kMostWidth);
  shape.layers = positive_value(config, "num_hidden_layers", kMostLayers);
  shape.heads = positive_value(config, "num_attention_heads", kMostWidth);
  shape.feed_forward = positive_value(config, "intermediate_size", kMostWidth);
  shape.positions = positive_value(config, "max_position_embeddings", kMostRows);
  shape.token_types = positive_value(config, "type_vocab_size", kMostRows);
  const auto padding = config_value<int64_t>(config, "pad_token_id", 1);
  CHECK(padding >= 0 && padding < std::min(shape.vocabulary, shape.positions - 1), config.path,
        ": pad_token_id is ", padding, "; it must be in the vocabulary and leave positions behind it");
  shape.padding_id = static_cast<int32_t>(padding);
  shape.layer_norm_epsilon = fraction_value(config, "layer_norm_eps", 1e-12);
  shape.dropout = fraction_value(config, "hidden_dropout_prob", 0.1);
  shape.attention_dropout = fraction_value(config, "attention_probs_dropout_prob", 0.1);
  CHECK(shape.width % shape.heads == 0, config.path, ": num_attention_heads ", shape.heads,
        " does not divide hidden_size ", shape.width);
  if (longformer) shape.windows = attention_windows(config, shape.layers);
  return shape;
}

}  // namespace lf
