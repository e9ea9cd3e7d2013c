// Hugging Face model folders: config.json, the weights and a tokenizer's files. Writing makes a folder that
// transformers loads with no missing and no unexpected key; reading is in pretrained_weights.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/weights/safetensors.h"
#include "layers/module.h"
#include "trainers/huggingface/model_config.h"

namespace lf {

// Names the content of what a run uses of its model folder beside the weights: config.json and the
// tokenizer's files.
std::string pretrained_hash(const std::string& folder);

// The block's parameters by name, in CPU memory.
std::vector<NamedTensor> named_parameters(const ParameterBlock& block);

// Writes a model folder: config.json, model.safetensors (in the order in which safetensors' own writer puts
// it) and the tokenizer's files copied from `tokenizer_folder`, with a tokenizer_config.json whose
// model_max_length is what config.json allows. The folder appears whole or not at all; an Error if it exists.
// `files`: others by name, with their contents.
void write_model_folder(const std::string& destination, const nlohmann::json& config,
                        std::vector<NamedTensor> tensors, const std::string& tokenizer_folder,
                        const std::map<std::string, std::string>& files = {});

// Throws UsageError for no name and Error for one that is taken, before any work is done for it.
void check_destination(const std::string& folder);

// Makes a folder with what pretrained_hash names, whole or not at all: with it and a run's weights the model
// can be used where the source is gone.
void copy_model_description(const std::string& from, const std::string& to);

// Copies a tokenizer's files (vocab.json, merges.txt, tokenizer.json, ...), those that are there, of
// whatever kind, and generation_config.json; a warning names other files that are no weights.
void copy_tokenizer_files(const std::string& from, const std::string& to);

}  // namespace lf
