// What a classifier says about documents: probabilities of the labels, logits, hidden states.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/records.h"
#include "data/tasks/tokenized_documents.h"
#include "layers/sequence_classifier.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

// Some documents as a ragged batch, each of `most` tokens at most; the first token of each is global, or
// none.
EncoderInput document_input(const TokenizedDocuments& documents, const std::vector<int64_t>& ids,
                            int64_t most, bool first_is_global);

// What a classifier says of one document.
struct ClassProbabilities {
  std::vector<double> log_probabilities;  // of the classes
  int64_t likeliest = 0;                  // of equals the first
};
// Of each row of logits (B, classes).
std::vector<ClassProbabilities> class_probabilities(const Tensor& logits);

// Answers records: what is "" or "classes" as lines with label and probabilities, "logits", "hidden" or
// "attention" as tensors. Texts are cut to what the request or the model's positions allow, which is noted.
void predict_classes(const SequenceClassifier& model, const std::vector<std::string>& labels,
                     const std::string& tokenizer_folder, DType compute, bool first_is_global,
                     std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink);

}  // namespace lf
