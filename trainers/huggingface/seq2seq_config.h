// BART's and LED's config.json.
#pragma once

#include <string>

#include "layers/seq2seq_shape.h"
#include "trainers/huggingface/model_config.h"

namespace lf {

// Whether a model of this type is an encoder with a decoder, as seq2seq_shape() takes it.
bool is_seq2seq_type(const std::string& type);

// The sizes of a BART or LED. Errors name the key: another type of model, an activation but exact GELU, an
// output layer that is not the word embedding, layers in another order (mBART), windows that do not fit.
Seq2SeqShape seq2seq_shape(const ModelConfig& config);

}  // namespace lf
