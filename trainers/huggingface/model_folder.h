// Hugging Face model folders: config.json, the weights and a tokenizer's files. Reading fills a model and
// refuses what does not fit; writing makes a folder that transformers loads with no missing and no unexpected
// key.
#pragma once

#include <string>
#include <vector>

#include "core/weights/safetensors.h"
#include "core/weights/weights_file.h"
#include "layers/encoder.h"
#include "trainers/huggingface/model_config.h"

namespace lf {

// Fills the block of a MaskedLM with the folder's weights, converted to f32. Names with and without the
// model's prefix ("roberta.", "longformer.") are understood; buffers, the pooler and aliases of tied weights
// are passed over. One Error lists everything that is missing, left over or of another shape.
void load_masked_lm(const std::string& folder, const ParameterBlock& block);

// Throws Error listing what a file lacks, has in other shapes or in types that are no floating point, or has
// too much, of an encoder of these sizes; whatever heads it has are not looked at.
void check_encoder_weights(const WeightsFile& weights, const EncoderShape& shape);

// Names the content of what a run uses of its model folder beside the weights: config.json and the
// tokenizer's files.
std::string pretrained_hash(const std::string& folder);

// Every tensor of a weights file in CPU memory, as stored, in the file's order, without aliases of tied
// weights.
std::vector<NamedTensor> read_all_tensors(const WeightsFile& weights);

// Writes a model folder: config.json, model.safetensors (in the order in which safetensors' own writer puts
// it) and the tokenizer's files copied from `tokenizer_folder`, with a tokenizer_config.json whose
// model_max_length is what config.json allows. The folder appears whole or not at all; an Error if it exists.
void write_model_folder(const std::string& destination, const nlohmann::json& config,
                        std::vector<NamedTensor> tensors, const std::string& tokenizer_folder);

// Throws UsageError for no name and Error for one that is taken, before any work is done for it.
void check_destination(const std::string& folder);

// Copies a tokenizer's files (vocab.json, merges.txt, tokenizer.json, ...), those that are there.
void copy_tokenizer_files(const std::string& from, const std::string& to);

}  // namespace lf
