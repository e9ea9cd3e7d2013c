// The attention probabilities of an encoder's layers as tensors, for every task that has one.
#pragma once

#include <functional>
#include <span>

#include "data/records.h"
#include "layers/encoder.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

struct AttentionPrediction {
  const EncoderShape& shape;
  // Behind "ID." and before ".LAYER", as transformers calls them.
  const char *attentions, *global_attentions;
  // Runs the encoder.
  std::function<void(const EncoderInput&, const Pass&)> encode;
  DType compute = DType::f32;
};
// Of an encoder, which must outlive it.
AttentionPrediction attention_of(const Encoder& encoder, DType compute);

// Writes of each record, layer by layer from the bottom, ID.attentions.LAYER and, where a row has global
// tokens, ID.global_attentions.LAYER behind it, as layers/attention_weights.h lays them out; which record
// was written is noted. Records are read one at a time, and one layer's tensors are in memory. They have ids,
// and all of their global tokens. An Error for global tokens in a model of full attention.
void predict_attention(const AttentionPrediction& of, std::span<const Record> records, PredictionSink& sink);

}  // namespace lf
