#include "trainers/tasks/classification_prediction.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "core/check.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "trainers/tasks/attention_prediction.h"
#include "trainers/tasks/encoder_records.h"

namespace lf {
namespace {

// What one answers for a text without words is no answer.
void warn_of_empty(const std::vector<Record>& records, PredictionSink& sink) {
  for (const Record& record : records) {
    if (record.text && record.text->find_first_not_of(" \t\r\n") == std::string::npos)
      sink.note("warning: " + record.where + ": an empty text");
  }
}

// Cuts records of text to what the model reads.
void cut_texts(std::vector<Record>& records, int64_t longest, PredictionSink& sink) {
  for (Record& record : records) {
    if (!record.text || record.length <= longest) continue;
    sink.note(text("warning: ", record.where, ": ", record.length, " tokens, of which the first ", longest,
                   " are read"));
    cut(record, longest);
  }
}

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

TensorSpec spec_of(const SequenceClassifier& model, const Record& record, bool hidden) {
  if (hidden)
    return {record.id + ".last_hidden_state",
            DType::f32,
            {record.rows, record.length, model.encoder.shape.width}};
  return {record.id + ".logits", DType::f32, {record.rows, model.classifier.out_proj.weight.shape[0]}};
}

}  // namespace

EncoderInput document_input(const TokenizedDocuments& documents, const std::vector<int64_t>& ids,
                            int64_t most, const EncoderShape& shape) {
  std::vector<int32_t> tokens;
  EncoderInput input;
  input.offsets = {0};
  for (const int64_t id : ids) {
    documents.append(id, most, tokens);
    input.offsets.push_back(std::ssize(tokens));
  }
  input.ids = Tensor::from({std::ssize(tokens)}, tokens);
  if (shape.is_longformer()) input.global_tokens = first_tokens_global(std::ssize(ids));
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
                     const std::string& tokenizer_folder, DType compute, std::vector<Record> records,
                     const PredictionRequest& request, PredictionSink& sink) {
  const std::string& what = request.what;
  if (!what.empty() && what != "classes" && what != "logits" && what != "hidden" && what != "attention")
    throw UsageError("--what is " + what + "; needed classes, logits, hidden or attention");
  const EncoderShape& shape = model.encoder.shape;
  if (any_text(records)) tokenize(records, ByteLevelTokenizer(tokenizer_folder));
  warn_of_empty(records, sink);
  cut_texts(records, request.longest > 0 ? std::min(request.longest, shape.longest()) : shape.longest(),
            sink);
  if (shape.is_longformer()) add_first_tokens_global(records);
  if (what == "attention") return predict_attention(attention_of(model.encoder, compute), records, sink);
  const bool writes_tensors = what == "logits" || what == "hidden";
  if (writes_tensors) {
    std::vector<TensorSpec> specs;
    for (const Record& record : records) specs.push_back(spec_of(model, record, what == "hidden"));
    sink.begin_tensors(specs);
  }
  const auto compute_batch = [&](std::span<const Record> batch) {
    const Pass pass{.training = false, .compute = compute};
    const EncoderInput input = encoder_input(batch);
    const Var y = what == "hidden" ? model.encoder(input, pass) : model.logits(input, pass);
    return cast(y, DType::f32).value().to(Device::cpu);
  };
  const auto answer_batch = [&](std::span<const Record> batch, const Tensor& y) {
    int64_t row = 0;
    for (const Record& record : batch) {
      const int64_t rows = what == "hidden" ? tokens_of(record) : record.rows;
      const Tensor own = y.slice(row, row + rows);
      row += rows;
      if (writes_tensors)
        sink.tensor(own.view(spec_of(model, record, what == "hidden").shape));
      else
        write_answers(record, class_probabilities(own), labels, sink);
    }
  };
  in_batches(records, kPredictedAtOnce, sink, compute_batch, answer_batch);
}

}  // namespace lf
