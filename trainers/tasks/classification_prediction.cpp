#include "trainers/tasks/classification_prediction.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "core/check.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "trainers/tasks/encoder_records.h"
#include "trainers/tasks/tensor_prediction.h"

namespace lf {
namespace {

nlohmann::ordered_json answer_of(const ClassProbabilities& told, const std::vector<std::string>& labels) {
  nlohmann::ordered_json probabilities = nlohmann::ordered_json::object();
  for (size_t c = 0; c < labels.size(); ++c) probabilities[labels[c]] = std::exp(told.log_probabilities[c]);
  return {{"label", labels[static_cast<size_t>(told.likeliest)]}, {"probabilities", probabilities}};
}

// {"id", "label", "probabilities"}; of a record of several rows one line for each, with its "row".
void write_answers(const Record& record, std::span<const ClassProbabilities> told,
                   const std::vector<std::string>& labels, PredictionSink& sink) {
  for (size_t row = 0; row < told.size(); ++row) {
    nlohmann::ordered_json line = {{"id", record.id}};
    if (told.size() > 1) line["row"] = row;
    line.update(answer_of(told[row], labels));
    sink.line(line);
  }
}

}  // namespace

EncoderInput document_input(const TokenizedDocuments& documents, const std::vector<int64_t>& ids,
                            int64_t most, bool first_is_global) {
  std::vector<int32_t> tokens;
  EncoderInput input;
  input.offsets = {0};
  for (const int64_t id : ids) {
    documents.append(id, most, tokens);
    input.offsets.push_back(std::ssize(tokens));
  }
  input.ids = Tensor::from({std::ssize(tokens)}, tokens);
  if (first_is_global) input.global_tokens = first_tokens_global(std::ssize(ids));
  return input;
}

std::vector<ClassProbabilities> class_probabilities(const Tensor& logits) {
  const std::vector<double> values = logits.to_doubles();
  const auto classes = static_cast<size_t>(logits.dim(1));
  std::vector<ClassProbabilities> result;
  for (size_t row = 0; row < values.size(); row += classes) {
    ClassProbabilities told;
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row);
    const auto end = begin + static_cast<std::ptrdiff_t>(classes);
    const auto largest = std::max_element(begin, end);
    double sum = 0;
    for (auto value = begin; value != end; ++value) sum += std::exp(*value - *largest);
    for (auto value = begin; value != end; ++value)
      told.log_probabilities.push_back(*value - *largest - std::log(sum));
    told.likeliest = largest - begin;
    result.push_back(std::move(told));
  }
  return result;
}

void predict_classes(const SequenceClassifier& model, const std::vector<std::string>& labels,
                     const std::string& tokenizer_folder, DType compute, bool first_is_global,
                     std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink) {
  const std::string& what = request.what;
  if (!what.empty() && what != "classes" && what != "logits" && what != "hidden" && what != "attention")
    throw UsageError("--what is " + what + "; needed classes, logits, hidden or attention");
  const EncoderShape& shape = model.encoder.shape;
  read_texts(records, tokenizer_folder, shape.longest_read(request.longest), sink);
  if (first_is_global) add_first_tokens_global(records);
  const auto logits = [&](const EncoderInput& input, const Pass& pass) { return model.logits(input, pass); };
  if (what == "logits" || what == "hidden" || what == "attention") {
    return predict_tensors({.encoder = model.encoder,
                            .logits = logits,
                            .classes = std::ssize(labels),
                            .of_tokens = false,
                            .compute = compute},
                           what, records, sink);
  }
  const auto compute_batch = [&](std::span<const Record> batch) {
    return class_probabilities(logits(encoder_input(batch), {.training = false, .compute = compute}).value());
  };
  const auto answer_batch = [&](std::span<const Record> batch, const std::vector<ClassProbabilities>& told) {
    size_t row = 0;
    for (const Record& record : batch) {
      const auto rows = static_cast<size_t>(record.rows);
      write_answers(record, std::span(told).subspan(row, rows), labels, sink);
      row += rows;
    }
  };
  in_batches(records, kPredictedAtOnce, sink, compute_batch, answer_batch);
}

}  // namespace lf
