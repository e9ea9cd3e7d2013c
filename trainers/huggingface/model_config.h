// A Hugging Face model folder's config.json: which model it is and its sizes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "layers/encoder.h"

namespace lf {

struct ModelConfig {
  std::string path;     // of config.json, for messages
  nlohmann::json json;  // as read, sorted by key as transformers writes it

  // "roberta", "longformer", ...
  std::string type() const;
};

// Reads FOLDER/config.json; an Error says what is missing or malformed.
ModelConfig read_model_config(const std::string& folder);

// The sizes of a RoBERTa or Longformer encoder. Errors name the key: another type of model, an activation
// other than exact GELU, positions that are not absolute, a decoder, windows that do not fit the layers.
EncoderShape encoder_shape(const ModelConfig& config);

// The standard deviation with which the model's own new parameters begin.
double initializer_range(const ModelConfig& config);

// Whether a model of this type has RoBERTa's architecture and parameter names.
bool is_roberta_type(const std::string& type);

}  // namespace lf
