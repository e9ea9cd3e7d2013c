#include "trainers/tasks/classification_task.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"
#include "core/choices.h"
#include "core/communicator/divided.h"
#include "data/example_order.h"
#include "trainers/config/paths.h"
#include "trainers/huggingface/convert.h"
#include "trainers/huggingface/model_config.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/tasks/classification_head.h"
#include "trainers/tasks/classification_prediction.h"
#include "trainers/tasks/cut_notices.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/evaluation.h"

namespace lf {
namespace {

struct LabelledBatch : TaskBatch {
  EncoderInput input;
  std::vector<int32_t> classes;
};

// (B, classes), of a batch that ranks cut on the first of them, and none on the others.
Var logits_of(const SequenceClassifier& model, const EncoderInput& input, const Pass& pass,
              bool recomputes = false) {
  const Pass part = pass.over(input.lengths());
  return model.logits(part_of(input, part), part, recomputes);
}

ClassificationSource source_of(const RunConfig& config) {
  const ClassificationSection& c = config.classification;
  ClassificationSource source{.corpus = c.corpus};
  switch (c.corpus) {
    case ClassificationCorpus::records:
      source.train = {config.data.path};
      if (c.validation.given) source.validation = {*c.validation.given};
      if (c.test.given) source.test = {*c.test.given};
      break;
    case ClassificationCorpus::imdb:
      source.path = config.data.path;
      break;
    case ClassificationCorpus::hyperpartisan:
      source.path = config.data.path;
      source.ground_truth = c.ground_truth.value();
      break;
  }
  source.columns = {.id = c.id_key, .text = c.text_key, .label = c.label_key, .names = c.columns};
  source.article = {.title = c.title, .clean = c.clean};
  source.split_file = c.split_file.value();
  source.validation_share = c.validation_share;
  source.test_share = c.test_share;
  source.seed = static_cast<uint64_t>(c.split_seed);
  source.labels = c.labels;
  source.leaks = c.leaks;
  return source;
}

std::vector<int32_t> classes_of(const std::vector<LabelledDocument>& documents,
                                const std::vector<std::string>& labels) {
  std::vector<int32_t> classes;
  for (const LabelledDocument& document : documents)
    classes.push_back(static_cast<int32_t>(class_of(document, labels)));
  return classes;
}

ClassificationData read_data(const RunConfig& config) {
  check_data_paths(config);
  return read_classification(source_of(config));
}

// The data, or in their place the labels that the run or the model knows.
ClassificationData opened_data(const RunConfig& config, TaskNeeds needs) {
  if (needs.data) return read_data(config);
  ClassificationData none;
  none.labels = config.classification.labels;
  if (none.labels.empty()) none.labels = labels_of_model(*config.classification.model);
  CHECK(none.labels.size() >= 2, *config.classification.model,
        "/config.json names no classes (id2label); only a fine-tuned classifier can classify");
  return none;
}

// Each class counts alike, and the mean weight of the documents is 1.
std::vector<double> balanced_weights(const TokenizedDocuments& train, size_t classes) {
  std::vector<double> counts(classes, 0.0);
  for (int64_t i = 0; i < train.count(); ++i) counts[static_cast<size_t>(train.class_at(i))] += 1;
  for (double& count : counts)
    count = static_cast<double>(train.count()) / (static_cast<double>(classes) * std::max(count, 1.0));
  return counts;
}

}  // namespace

// What the labels are depends on the data, or on the model where there are none.
void ClassificationTask::settle(RunConfig& config) {
  if (config.classification.labels.empty()) config.classification.labels = read_data(config).labels;
}

ClassificationTask::ClassificationTask(const RunConfig& config, TaskNeeds needs)
    : ClassificationTask(config, needs, opened_data(config, needs)) {}

ClassificationTask::ClassificationTask(const RunConfig& config, TaskNeeds needs, ClassificationData data)
    : config_(config),
      labels_(std::move(data.labels)),
      notices_(std::move(data.notices)),
      model_(fine_tuned_shape(config.classification), std::ssize(labels_)),
      parameters_(pack(model_, DType::f32, device_of(config), needs.gradients())),
      model_hash_(pretrained_hash(*config.classification.model)) {
  if (needs.data) {
    const ByteLevelTokenizer tokenizer(model_folder());
    CHECK(tokenizer.special_ids().begin && tokenizer.special_ids().end, model_folder(),
          ": its tokenizer has no <s> and </s>, and a document's class is told from its <s>");
    train_ = {data.train, classes_of(data.train, labels_), tokenizer};
    validation_ = {data.validation, classes_of(data.validation, labels_), tokenizer};
    test_ = {data.test, classes_of(data.test, labels_), tokenizer};
    if (config.classification.class_weights == ClassWeightChoice::balanced)
      class_weights_ = balanced_weights(train_, labels_.size());
  }
  if (!needs.weights) return;
  const std::vector<std::string> fresh =
      load_classifier(model_folder(), kDocumentHead, labels_,
                      wanted_head(needs.data, config.classification.new_head), parameters_, notices_);
  const double range = initializer_range(read_model_config(model_folder()));
  initialise(model_, parameters_, range, static_cast<uint64_t>(config.seed), fresh);
}

std::vector<ParameterGroup> ClassificationTask::groups(const OptimizerSection& settings) {
  return groups_with_head(parameters_, settings, config_.classification.head_rate_factor);
}

std::string ClassificationTask::data_hash() const {
  return train_.content_hash() + validation_.content_hash() + test_.content_hash();
}

void ClassificationTask::check_stage(const Stage& stage) const {
  const EncoderShape& shape = model_.encoder.shape;
  CHECK(stage.sequence_length >= 3 && stage.sequence_length <= shape.longest(), stage.name,
        ": sequence_length is ", stage.sequence_length, ", the most tokens that are read of a document; ",
        model_folder(), " has positions for 3 to ", shape.longest());
}

const TokenizedDocuments& ClassificationTask::split_of(Split split) const {
  return split == Split::train ? train_ : split == Split::validation ? validation_ : test_;
}

int64_t ClassificationTask::document(const Stage& stage, int64_t example) const {
  return Permutation(train_.count(), order_seed(config_, stage)).at(example);
}

bool ClassificationTask::first_is_global() const {
  return model_.encoder.shape.is_longformer() &&
         config_.classification.global_attention == GlobalAttention::first_token;
}

double ClassificationTask::class_weight(int64_t label) const {
  return class_weights_.empty() ? 1.0 : class_weights_[static_cast<size_t>(label)];
}

int64_t ClassificationTask::tokens(const Stage& stage, int64_t example) const {
  return train_.length(document(stage, example), stage.sequence_length);
}

Examples ClassificationTask::about(const Stage& stage, ExampleRange range) const {
  Examples about;
  for (int64_t i = range.first; i < range.first + range.count; ++i) {
    about.ids.push_back(document(stage, i));
    about.tokens += train_.length(about.ids.back(), stage.sequence_length);
    about.weight += class_weight(train_.class_at(about.ids.back()));
  }
  return about;
}

std::unique_ptr<TaskBatch> ClassificationTask::read(const Stage& stage, ExampleRange range) const {
  auto batch = std::make_unique<LabelledBatch>();
  batch->about = about(stage, range);
  batch->input = document_input(train_, batch->about.ids, stage.sequence_length, first_is_global());
  for (const int64_t id : batch->about.ids) batch->classes.push_back(train_.class_at(id));
  return batch;
}

Var ClassificationTask::loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) {
  const auto& documents = dynamic_cast<const LabelledBatch&>(batch);
  const Var logits = logits_of(model_, documents.input, pass, stage.recompute);
  const Shape shape{logits.dim(0)};
  std::vector<int32_t> classes = documents.classes;
  classes.resize(static_cast<size_t>(logits.dim(0)));
  const Var losses = cross_entropy(logits, Tensor::from(shape, classes));
  if (class_weights_.empty()) return sum(losses);
  std::vector<float> weights;
  for (const int32_t label : classes) weights.push_back(static_cast<float>(class_weight(label)));
  return sum(multiply(losses, Var(Tensor::from(shape, weights).to(losses.value().device()))));
}

Evaluation ClassificationTask::evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                                        const ScoreProgress& progress) {
  const NoGrad no_grad;
  const TokenizedDocuments& documents = split_of(split);
  const int64_t most =
      effort == Effort::report ? config_.evaluation.batch_size : config_.validation.batch_size;
  Confusion confusion(std::ssize(labels_));
  double loss = 0, weight = 0;
  const Pass pass{.training = false, .compute = compute_dtype(config_), .sequence_ranks = ranks.sequence()};
  // Of each document its likeliest class and the logarithm of its own one's probability.
  const auto score_batch = [&](int64_t number) {
    std::vector<int64_t> ids;
    for (int64_t i = number * most; i < std::min(documents.count(), (number + 1) * most); ++i)
      ids.push_back(i);
    const EncoderInput input = document_input(documents, ids, stage.sequence_length, first_is_global());
    const std::vector<ClassProbabilities> told = class_probabilities(logits_of(model_, input, pass).value());
    std::vector<double> numbers;
    for (size_t i = 0; i < told.size(); ++i) {
      const auto expected = static_cast<size_t>(documents.class_at(ids[i]));
      numbers.insert(numbers.end(),
                     {static_cast<double>(told[i].likeliest), told[i].log_probabilities[expected]});
    }
    return numbers;
  };
  divide(
      ranks, (documents.count() + most - 1) / most, score_batch,
      [&](int64_t number, const std::vector<double>& numbers) {
        for (size_t i = 0; i < numbers.size() / 2; ++i) {
          const int64_t expected = documents.class_at(number * most + static_cast<int64_t>(i));
          confusion.add(expected, static_cast<int64_t>(numbers[2 * i]));
          loss -= class_weight(expected) * numbers[2 * i + 1];
          weight += class_weight(expected);
        }
      },
      [&](int64_t taken) {
        return !progress || progress(std::min(taken * most, documents.count()), documents.count());
      });
  return evaluation_of(confusion, loss / weight, stage);
}

Evaluation ClassificationTask::evaluation_of(const Confusion& confusion, double loss,
                                             const Stage& stage) const {
  Evaluation result;
  const int64_t count = confusion.total();
  result.metrics = {{"accuracy", confusion.accuracy(), count},
                    {"macro_f1", confusion.macro_f1(), count},
                    {"micro_f1", confusion.micro_f1(), count},
                    {"loss", loss, count}};
  decide_by(choice_name(config_.classification.metric), result);
  result.protocol = {{"sequence_length", stage.sequence_length}};
  result.details["labels"] = labels_;
  nlohmann::ordered_json matrix = nlohmann::ordered_json::array(), classes = nlohmann::ordered_json::object();
  for (int64_t expected = 0; expected < confusion.classes(); ++expected) {
    nlohmann::ordered_json row = nlohmann::ordered_json::array();
    int64_t support = 0;
    for (int64_t predicted = 0; predicted < confusion.classes(); ++predicted) {
      row.push_back(confusion.count(expected, predicted));
      support += confusion.count(expected, predicted);
    }
    matrix.push_back(row);
    classes[labels_[static_cast<size_t>(expected)]] = {{"precision", confusion.precision(expected)},
                                                       {"recall", confusion.recall(expected)},
                                                       {"f1", confusion.f1(expected)},
                                                       {"documents", support}};
  }
  result.details["confusion"] = matrix;
  result.details["classes"] = classes;
  result.details["scored"] =
      "each document once; confusion has a row for each label, a column for each answer";
  return result;
}

void ClassificationTask::predict(std::vector<Record> records, const PredictionRequest& request,
                                 PredictionSink& sink) {
  predict_classes(model_, labels_, model_folder(), compute_dtype(config_), first_is_global(),
                  std::move(records), request, sink);
}

void ClassificationTask::export_model(const std::string& destination) const {
  // For others global attention has projections of its own.
  if (!model_.encoder.shape.own_global_projections) copy_local_to_global(model_.encoder);
  nlohmann::json config = read_model_config(model_folder()).json;
  config["architectures"] = {model_.encoder.shape.is_longformer() ? "LongformerForSequenceClassification"
                                                                  : "RobertaForSequenceClassification"};
  config["problem_type"] = "single_label_classification";
  name_labels(labels_, config);
  write_model_folder(destination, config, named_parameters(parameters_), model_folder());
}

nlohmann::ordered_json ClassificationTask::facts() const {
  nlohmann::ordered_json documents, tokens;
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    documents[name(split)] = split_of(split).count();
    tokens[name(split)] = split_of(split).tokens();
  }
  return {{"labels", labels_}, {"documents", documents}, {"tokens", tokens}};
}

std::vector<std::string> ClassificationTask::notices() const {
  std::vector<std::string> result = notices_;
  for (const Stage& stage : resolved_stages(config_)) {
    for (const Split split : {Split::train, Split::validation, Split::test})
      notice_cut(stage, split, "documents", split_of(split), stage.sequence_length, result);
  }
  const std::vector<std::string> of_device =
      device_notices(config_, {model_.encoder.shape.head_width()}, false);
  result.insert(result.end(), of_device.begin(), of_device.end());
  return result;
}

}  // namespace lf
