// The one way to read the weights of a pretrained model: its parameters by name, under the names that writers
// of all years give them, with what may lack, grow or be left over said beforehand.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/weights/safetensors.h"
#include "core/weights/weights_file.h"
#include "layers/encoder.h"
#include "layers/seq2seq.h"
#include "trainers/huggingface/model_config.h"

namespace lf {

// WeightsFile::open, with its warnings said.
WeightsFile open_weights(const std::string& path);

// How files of an architecture name things.
struct PretrainedNames {
  std::vector<std::string> prefixes;  // of the model inside a model with a head; files may lack them
  // Names of tied weights, without prefix, and the parameter each of them is.
  std::vector<std::pair<std::string, std::string>> aliases;
  // What a file may hold that no parameter is: names, without prefix, or their beginnings ("pooler.*") or
  // ends ("*.position_ids").
  std::vector<std::string> ignored;
};

// RoBERTa and Longformer with a masked-language-model head, and for models that are made from them: with
// other heads, which need none of theirs.
extern const PretrainedNames kMaskedLMNames, kEncoderNames;
// BART and LED with their output layer. Many files have no final_logits_bias.
extern const PretrainedNames kSeq2SeqNames;

// What a model has beyond its file.
struct LoadRequest {
  std::vector<std::string> fresh;  // beginnings of parameters' names: the file may lack all that begin so
  std::map<std::string, int64_t> grown;  // tables with so many rows more than the file's
  std::vector<std::string> replaced;     // beginnings like these: what the file has of them is not read
};

// Fills the block with the folder's weights, converted to its type. Fresh parameters that the file lacks,
// replaced ones and grown rows keep the values that they have; returns the names of the first two.
// One Error lists everything that is missing, of another shape, or part of another encoder; one warning names
// what else the file holds, another the weights that are not finite.
std::vector<std::string> load_pretrained(const std::string& folder, const PretrainedNames& names,
                                         const LoadRequest& request, const ParameterBlock& block);

// A model's tensors as they are stored, and which of them hold numbers that are not finite.
struct WholeModel {
  std::string weights;  // the file
  std::vector<NamedTensor> tensors;
  std::vector<std::string> warnings{};
};

// Every tensor of an encoder or of a BART or LED, whatever heads it has, in CPU memory and the file's order;
// of tied weights one, under the parameter's own name. Throws Error listing what the file lacks, has in other
// shapes or in types that are no floating point, or has too much, of a body of the configuration's sizes.
WholeModel read_whole_model(const std::string& folder, const ModelConfig& config);

}  // namespace lf
