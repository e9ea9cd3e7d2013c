// For tests of pretrained models: model folders with random weights, in Hugging Face's form.
#pragma once

#include <filesystem>
#include <string>

#include "core/files.h"
#include "core/weights/safetensors.h"
#include "data/documents/document_corpus.h"
#include "data/documents/document_tokenizer.h"
#include "layers/encoder.h"
#include "layers/seq2seq.h"
#include "tests/places.h"
#include "tests/testing.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/huggingface/seq2seq_config.h"

namespace lf {

inline const std::string kTinyTokenizer = source_path("tests/golden/tiny_bpe");

// config.json of a model of 2 layers, 32 wide, with 341 symbols and 64 positions.
inline nlohmann::json tiny_config(const std::string& type) {
  nlohmann::json config = {
      {"model_type", type},
      {"architectures", {type == "longformer" ? "LongformerForMaskedLM" : "RobertaForMaskedLM"}},
      {"vocab_size", 341},
      {"hidden_size", 32},
      {"num_hidden_layers", 2},
      {"num_attention_heads", 4},
      {"intermediate_size", 48},
      {"max_position_embeddings", 66},
      {"type_vocab_size", 1},
      {"pad_token_id", 1},
      {"eos_token_id", 2},
      {"layer_norm_eps", 1e-5},
      {"hidden_act", "gelu"},
      {"initializer_range", 0.02}};
  if (type == "longformer") config["attention_window"] = {8, 12};
  return config;
}

// The parameters of the model, every one of them drawn anew.
inline std::vector<NamedTensor> random_parameters(const EncoderShape& shape, uint32_t seed) {
  MaskedLM model(shape);
  std::vector<NamedTensor> tensors;
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    tensors.push_back({name, random_tensor(p.shape, DType::f32, seed++, 0.2)});
  });
  return tensors;
}

// Writes a model folder with random weights and the tiny tokenizer; returns its path.
inline std::string write_tiny_model(const std::string& folder, const std::string& type, uint32_t seed = 1) {
  const nlohmann::json config = tiny_config(type);
  write_model_folder(folder, config, random_parameters(encoder_shape({"config.json", config}), seed),
                     kTinyTokenizer);
  return folder;
}

// Writes the folder of a BART, or of an LED with windows of 8, 2 + 2 layers, 32 wide, with random weights and
// the tiny tokenizer; `more` goes over its config.json. Returns its path.
inline std::string write_tiny_seq2seq(const std::string& folder, const std::string& type, uint32_t seed = 1,
                                      const nlohmann::json& more = nlohmann::json::object()) {
  nlohmann::json config = {{"model_type", type},
                           {"vocab_size", 341},
                           {"d_model", 32},
                           {"encoder_layers", 2},
                           {"decoder_layers", 2},
                           {"encoder_attention_heads", 4},
                           {"decoder_attention_heads", 2},
                           {"encoder_ffn_dim", 48},
                           {"decoder_ffn_dim", 48},
                           {"pad_token_id", 1},
                           {"bos_token_id", 0},
                           {"eos_token_id", 2},
                           {"decoder_start_token_id", 2}};
  if (type == "led") {
    config["attention_window"] = {8, 8};
    config["max_encoder_position_embeddings"] = 96, config["max_decoder_position_embeddings"] = 48;
  } else {
    config["max_position_embeddings"] = 48;
  }
  config.update(more);
  Seq2Seq model(seq2seq_shape({"config.json", config}));
  std::vector<NamedTensor> tensors;
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    tensors.push_back({name, random_tensor(p.shape, DType::f32, seed++, 0.2)});
  });
  write_model_folder(folder, config, tensors, kTinyTokenizer);
  return folder;
}

// Writes FOLDER/corpus, prepared from the sample's first characters with the tiny tokenizer, and
// FOLDER/model, a Longformer: what training a masked language model starts from.
inline void write_tiny_task(const std::string& folder, size_t characters) {
  write_file_atomically(folder + "/text.txt",
                        read_file(source_path("data/samples/enwik8-1MB")).substr(0, characters));
  DocumentRequest request;
  request.sources = {folder + "/text.txt"};
  request.folder = folder + "/corpus";
  request.tokenizer = document_tokenizer(std::make_shared<ByteLevelTokenizer>(kTinyTokenizer));
  prepare_documents(request);
  write_tiny_model(folder + "/model", "longformer");
}

// Writes a model folder with other weights or another config.json.
inline void replace_weights(const std::string& folder, const std::vector<NamedTensor>& tensors) {
  write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
}
inline void replace_config(const std::string& folder, const nlohmann::json& config) {
  write_file_atomically(folder + "/config.json", config.dump());
}

// A masked language model with a folder's weights.
struct LoadedModel {
  MaskedLM model;
  ParameterBlock block;

  explicit LoadedModel(const std::string& folder)
      : model(encoder_shape(read_model_config(folder))), block(pack(model)) {
    load_pretrained(folder, kMaskedLMNames, {}, block);
  }
};

}  // namespace lf
