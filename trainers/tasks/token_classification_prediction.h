// What a token classifier says about texts: entities, tags of words, logits, hidden states.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/records.h"
#include "layers/token_classifier.h"
#include "trainers/config/global_attention_choice.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

// A model and how it reads texts.
struct EntityFinder {
  const TokenClassifier& model;
  const std::vector<std::string>& labels;
  std::string tokenizer_folder;
  DType compute = DType::f32;
  GlobalAttention global = GlobalAttention::none;
  std::optional<int64_t> overlap;  // of the windows of a text that is too long; none: a quarter of a window
};

// Answers records: what is "" or "entities" as lines {"id", "entities": [{"start", "end", "label", "text",
// "score"}]}, where start and end count characters, or tokens of a record that has these, and score is the
// mean probability of its words' tags; "tags" as lines {"id", "tokens", "tags"}; "logits", "hidden" or
// "attention" as tensors. Texts that are longer than what the request or the model's positions allow are read
// in windows; for tensors they are cut, which is noted.
void predict_entities(const EntityFinder& finder, std::vector<Record> records,
                      const PredictionRequest& request, PredictionSink& sink);

}  // namespace lf
