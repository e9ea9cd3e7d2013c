// What golden files of encoders hold (tests/golden/README.md), as the models take it.
#pragma once

#include <vector>

#include "core/weights/safetensors.h"
#include "layers/encoder_shape.h"
#include "layers/module.h"
#include "layers/seq2seq_shape.h"

namespace lf {

Tensor to_i32(const Tensor& x);

// The model's sizes, without dropout.
EncoderShape golden_shape(const SafetensorsFile& file);
Seq2SeqShape golden_seq2seq_shape(const SafetensorsFile& file);
// The padded batch: ids, mask and global tokens (B, T).
EncoderInput golden_input(const SafetensorsFile& file);

// The same batch without its padding, and where each token stood in (B, T).
struct RaggedBatch {
  EncoderInput input;
  std::vector<int64_t> places;

  // The real tokens' values of x (B, T).
  Tensor of(const Tensor& x) const;
};
RaggedBatch without_padding(const EncoderInput& padded);
// Sequence b of a ragged batch alone.
EncoderInput sequence_of(const EncoderInput& ragged, int64_t b);

void read_parameters(const SafetensorsFile& file, const ParameterBlock& block);
// Some gradients are zero but for rounding: key biases, global projections without global tokens.
void expect_golden_gradients(const SafetensorsFile& file, const ParameterBlock& block);

}  // namespace lf
