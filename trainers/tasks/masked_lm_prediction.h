// What a masked language model says about records: hidden states, logits, losses, words for masks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/weights/safetensors.h"
#include "data/records.h"
#include "layers/encoder.h"
#include "trainers/tasks/encoder_records.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

// What is written of a record: ID.last_hidden_state (rows, length, D), ID.logits (rows, length, V), or
// ID.loss (1), the mean over the record's labels in nats; all f32.
enum class Prediction { hidden, logits, loss };
// Its name and shape, known before the model runs.
TensorSpec prediction_spec(const MaskedLM& model, const Record& record, Prediction what);
// Each record's values, in CPU memory, computed together. An Error for a loss without labels.
std::vector<Tensor> predict(const MaskedLM& model, std::span<const Record> records, Prediction what);

// The likeliest tokens for one masked place, best first.
struct MaskPrediction {
  int64_t row = 0, position = 0;
  std::vector<int32_t> ids;
  std::vector<double> probabilities;
};
// Of each record, computed together.
std::vector<std::vector<MaskPrediction>> fill_masks(const MaskedLM& model, std::span<const Record> records,
                                                    int32_t mask_id, int64_t count);

// Answers records: what is "hidden", "logits", "loss" or "attention" as tensors, "fill-mask" (or "") as
// lines. The tokenizer's folder is read where texts or masks ask for it.
void predict_masked_lm(const MaskedLM& model, const std::string& tokenizer_folder,
                       std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink);

}  // namespace lf
