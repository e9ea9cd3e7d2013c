// Logits, hidden states and attention of an encoder with a head, as tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/records.h"
#include "layers/encoder.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

// Of a model, which must outlive it.
struct TensorModel {
  const Encoder& encoder;
  // (sequences, classes), or of each token (N, classes).
  std::function<Var(const EncoderInput&, const Pass&)> logits;
  int64_t classes = 0;
  bool of_tokens = false;  // what the logits are of
  DType compute = DType::f32;
};

// Writes "logits" (rows, classes) or (rows, length, classes), "hidden" (rows, length, width) or "attention"
// (see predict_attention) of records that have ids, and their global tokens.
void predict_tensors(const TensorModel& model, const std::string& what, const std::vector<Record>& records,
                     PredictionSink& sink);

}  // namespace lf
