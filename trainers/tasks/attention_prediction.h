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
  // Runs the encoder.
  std::function<void(const EncoderInput&, const Pass&)> encode;
  DType compute = DType::f32;
};
// Of an encoder, which must outlive it.
AttentionPrediction attention_of(const Encoder& encoder, DType compute);

// Writes of each record ID.attentions, (layers, ...) from the bottom, each as layers/attention_weights.h lays
// it out, a narrower window's band in the middle of the widest; where a row has global tokens,
// ID.global_attentions (layers, ...) behind it. Which record was written is noted. Records are read one at a
// time; in memory are one layer's attentions and all of the global ones. Records have ids, and all of their
// global tokens. An Error for global tokens in a model of full attention.
void predict_attention(const AttentionPrediction& of, std::span<const Record> records, PredictionSink& sink);

}  // namespace lf
