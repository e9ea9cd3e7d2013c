#include "trainers/tasks/token_classification_task.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "autograd/sequence_slices.h"
#include "core/check.h"
#include "core/choices.h"
#include "core/communicator/divided.h"
#include "data/example_order.h"
#include "layers/chosen_targets.h"
#include "trainers/config/paths.h"
#include "trainers/huggingface/convert.h"
#include "trainers/huggingface/model_config.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/metrics/ratio.h"
#include "trainers/tasks/classification_head.h"
#include "trainers/tasks/classification_prediction.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/token_classification_prediction.h"

namespace lf {
namespace {

struct WordBatch : TaskBatch {
  EncoderInput input;
  Tensor targets;  // (N) i32 of its tokens: the class of the word that begins there, or -1
};

TokenClassificationSource source_of_words(const RunConfig& config) {
  const TokenClassificationSection& c = config.token_classification;
  return {.train = config.data.path,
          .validation = c.validation.value(),
          .test = c.test.value(),
          .format = {.columns = {.separator = c.separator.value(),
                                 .word = c.word_column,
                                 .tag = c.tag_column,
                                 .unit = c.unit},
                     .scheme = c.scheme,
                     .bad = c.bad_records},
          .split_file = c.split_file.value(),
          .validation_share = c.validation_share,
          .test_share = c.test_share,
          .seed = static_cast<uint64_t>(c.split_seed),
          .labels = c.labels};
}

TokenClassificationData read_words(const RunConfig& config) {
  check_data_paths(config);
  return read_token_classification(source_of_words(config));
}

// The data, or in their place the tags that the run or the model knows.
TokenClassificationData opened_words(const RunConfig& config, TaskNeeds needs) {
  if (needs.data) return read_words(config);
  TokenClassificationData none;
  none.labels = config.token_classification.labels;
  if (none.labels.empty()) none.labels = labels_of_model(*config.token_classification.model);
  CHECK(none.labels.size() >= 2, *config.token_classification.model,
        "/config.json names no tags (id2label); only a fine-tuned model can tell them");
  return none;
}

int64_t overlap_of(const TokenClassificationSection& section, const Stage& stage) {
  return section.overlap.given.value_or(stage.sequence_length / 4);
}

// Numbers of rows of which -1 are nobody's, as this rank has them.
Tensor own_rows(const Tensor& whole, const Pass& pass) {
  return pass.slices ? pass.slices->own(whole) : whole;
}

WindowBatch batch_of_windows(const TokenizedWords& texts, std::span<const WordWindow> windows,
                             const WindowReading& reading) {
  WindowBatch batch(reading);
  for (const WordWindow& window : windows)
    batch.add(window, texts.ids(window.text), texts.first_tokens(window.text));
  return batch;
}

// What the model says of a batch's words, by their place among them; of slices, of those that are in this
// rank's.
std::vector<std::pair<int32_t, ClassProbabilities>> tell_words(const TokenClassifier& model,
                                                               const WindowBatch& batch, const Pass& pass) {
  std::vector<int32_t> places(static_cast<size_t>(batch.tokens()), -1);
  // Of words that share a token the first.
  for (size_t word = batch.places().size(); word-- > 0;)
    places[static_cast<size_t>(batch.places()[word])] = static_cast<int32_t>(word);
  const EncoderInput input = batch.input();
  const Pass part = pass.over(input.lengths());
  const ChosenTargets chosen = chosen_targets(own_rows(Tensor::from({batch.tokens()}, places), part));
  std::vector<ClassProbabilities> told =
      class_probabilities(model.logits(part_of(input, part), chosen.rows, part).value());
  std::vector<std::pair<int32_t, ClassProbabilities>> words;
  for (size_t row = 0; row < told.size(); ++row)
    words.emplace_back(chosen.targets.data<int32_t>()[row], std::move(told[row]));
  return words;
}

std::vector<int32_t> all_classes(const TokenizedWords& texts) {
  std::vector<int32_t> classes;
  for (int64_t i = 0; i < texts.count(); ++i)
    classes.insert(classes.end(), texts.classes(i).begin(), texts.classes(i).end());
  return classes;
}

}  // namespace

struct TokenClassificationTask::WordScores {
  std::vector<int32_t> predicted;         // class of each word of the split, in order; -1: not told
  std::vector<double> log_probabilities;  // of its own class
};

// What the tags are depends on the data, or on the model where there are none.
void TokenClassificationTask::settle(RunConfig& config) {
  if (config.token_classification.labels.empty())
    config.token_classification.labels = read_words(config).labels;
}

TokenClassificationTask::TokenClassificationTask(const RunConfig& config, TaskNeeds needs)
    : TokenClassificationTask(config, needs, opened_words(config, needs)) {}

TokenClassificationTask::TokenClassificationTask(const RunConfig& config, TaskNeeds needs,
                                                 TokenClassificationData data)
    : config_(config),
      labels_(std::move(data.labels)),
      notices_(std::move(data.notices)),
      model_(fine_tuned_shape(config.token_classification), std::ssize(labels_)),
      parameters_(pack(model_, DType::f32, device_of(config), needs.gradients())),
      model_hash_(pretrained_hash(*config.token_classification.model)) {
  if (needs.data) {
    const ByteLevelTokenizer tokenizer(model_folder());
    reading_.emplace(tokenizer, model_folder(), model_.encoder.shape,
                     config.token_classification.global_attention);
    train_ = {data.train, labels_, tokenizer};
    validation_ = {data.validation, labels_, tokenizer};
    test_ = {data.test, labels_, tokenizer};
  }
  if (!needs.weights) return;
  const std::vector<std::string> fresh =
      load_classifier(model_folder(), kTokenHead, labels_,
                      wanted_head(needs.data, config.token_classification.new_head), parameters_, notices_);
  const double range = initializer_range(read_model_config(model_folder()));
  initialise(model_, parameters_, range, static_cast<uint64_t>(config.seed), fresh);
}

std::vector<ParameterGroup> TokenClassificationTask::groups(const OptimizerSection& settings) {
  return groups_with_head(parameters_, settings, config_.token_classification.head_rate_factor);
}

std::string TokenClassificationTask::data_hash() const {
  return train_.content_hash() + validation_.content_hash() + test_.content_hash();
}

void TokenClassificationTask::check_stage(const Stage& stage) const {
  const EncoderShape& shape = model_.encoder.shape;
  CHECK(stage.sequence_length > kAroundWindow && stage.sequence_length <= shape.longest(), stage.name,
        ": sequence_length is ", stage.sequence_length, ", the most tokens that are read at once; ",
        model_folder(), " has positions for ", kAroundWindow + 1, " to ", shape.longest());
  const int64_t overlap = overlap_of(config_.token_classification, stage);
  CHECK(overlap < stage.sequence_length - kAroundWindow, stage.name, ": windows of sequence_length ",
        stage.sequence_length, " cannot overlap by ", overlap, " tokens (token_classification.overlap)");
}

const TokenizedWords& TokenClassificationTask::split_of(Split split) const {
  return split == Split::train ? train_ : split == Split::validation ? validation_ : test_;
}

std::vector<WordWindow> TokenClassificationTask::windows_of(const TokenizedWords& texts,
                                                            const Stage& stage) const {
  return word_windows(texts, stage.sequence_length - kAroundWindow,
                      overlap_of(config_.token_classification, stage));
}

const std::vector<WordWindow>& TokenClassificationTask::train_windows(const Stage& stage) const {
  const std::lock_guard lock(mutex_);
  std::vector<WordWindow>& windows = train_windows_[stage.sequence_length];
  if (windows.empty()) windows = windows_of(train_, stage);
  return windows;
}

const WordWindow& TokenClassificationTask::window(const Stage& stage, int64_t example) const {
  const std::vector<WordWindow>& windows = train_windows(stage);
  const Permutation order(std::ssize(windows), order_seed(config_, stage));
  return windows[static_cast<size_t>(order.at(example))];
}

int64_t TokenClassificationTask::tokens(const Stage& stage, int64_t example) const {
  return window(stage, example).tokens() + kAroundWindow;
}

Examples TokenClassificationTask::about(const Stage& stage, ExampleRange range) const {
  Examples about;
  for (int64_t i = range.first; i < range.first + range.count; ++i) {
    const WordWindow& own = window(stage, i);
    about.ids.push_back(&own - train_windows(stage).data());
    about.tokens += own.tokens() + kAroundWindow;
    const std::vector<int32_t>& classes = train_.classes(own.text);
    about.weight +=
        static_cast<double>(std::count_if(classes.begin() + own.first_word, classes.begin() + own.last_word,
                                          [](int32_t c) { return c != kNoClass; }));
  }
  return about;
}

std::unique_ptr<TaskBatch> TokenClassificationTask::read(const Stage& stage, ExampleRange range) const {
  auto batch = std::make_unique<WordBatch>();
  batch->about = about(stage, range);
  WindowBatch windows(*reading_);
  std::vector<int32_t> classes;
  for (int64_t i = range.first; i < range.first + range.count; ++i) {
    const WordWindow& own = window(stage, i);
    windows.add(own, train_.ids(own.text), train_.first_tokens(own.text));
    const std::vector<int32_t>& all = train_.classes(own.text);
    classes.insert(classes.end(), all.begin() + own.first_word, all.begin() + own.last_word);
  }
  std::vector<int32_t> targets(static_cast<size_t>(windows.tokens()), -1);
  for (size_t word = classes.size(); word-- > 0;)
    targets[static_cast<size_t>(windows.places()[word])] = classes[word];
  batch->input = windows.input();
  batch->targets = Tensor::from({windows.tokens()}, targets);
  return batch;
}

Var TokenClassificationTask::loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) {
  const auto& words = dynamic_cast<const WordBatch&>(batch);
  const Pass part = pass.over(words.input.lengths());
  const ChosenTargets chosen = chosen_targets(own_rows(words.targets, part));
  return sum(cross_entropy(model_.logits(part_of(words.input, part), chosen.rows, part, stage.recompute),
                           chosen.targets));
}

Evaluation TokenClassificationTask::evaluate(Split split, Effort effort, const Stage& stage,
                                             const RankGrid& ranks, const ScoreProgress& progress) {
  const NoGrad no_grad;
  const TokenizedWords& texts = split_of(split);
  const std::vector<WordWindow> windows = windows_of(texts, stage);
  const int64_t most =
      effort == Effort::report ? config_.evaluation.batch_size : config_.validation.batch_size;
  const auto count = static_cast<int64_t>(windows.size());
  // Windows tell the split's words one behind the other.
  std::vector<int64_t> first_words{0};
  for (const WordWindow& window : windows)
    first_words.push_back(first_words.back() + window.last_word - window.first_word);
  const std::vector<int32_t> classes = all_classes(texts);
  WordScores scores;
  scores.predicted.assign(classes.size(), kNoClass);
  scores.log_probabilities.assign(classes.size(), 0);
  const Pass pass{.training = false, .compute = compute_dtype(config_), .sequence_ranks = ranks.sequence()};
  // Of each word its number, its likeliest class and the logarithm of its own one's probability.
  const auto score_batch = [&](int64_t number) {
    const auto first = static_cast<size_t>(number * most);
    const size_t windows_here = std::min(static_cast<size_t>(most), windows.size() - first);
    std::vector<double> numbers;
    for (const auto& [place, told] : tell_words(
             model_, batch_of_windows(texts, std::span(windows).subspan(first, windows_here), *reading_),
             pass)) {
      const int64_t word = first_words[first] + place;
      const int32_t wanted = classes[static_cast<size_t>(word)];
      const double own = wanted == kNoClass ? 0.0 : told.log_probabilities[static_cast<size_t>(wanted)];
      numbers.insert(numbers.end(), {static_cast<double>(word), static_cast<double>(told.likeliest), own});
    }
    return numbers;
  };
  divide(
      ranks, (count + most - 1) / most, score_batch,
      [&](int64_t, const std::vector<double>& numbers) {
        for (size_t i = 0; i < numbers.size(); i += 3) {
          const auto word = static_cast<size_t>(numbers[i]);
          scores.predicted[word] = static_cast<int32_t>(numbers[i + 1]);
          scores.log_probabilities[word] = numbers[i + 2];
        }
      },
      [&](int64_t taken) { return !progress || progress(std::min(taken * most, count), count); });
  return evaluation_of(texts, scores, stage);
}

Evaluation TokenClassificationTask::evaluation_of(const TokenizedWords& texts, const WordScores& scores,
                                                  const Stage& stage) const {
  EntityScores entities;
  int64_t words = 0, right = 0, learned = 0;
  double loss = 0;
  for (int64_t i = 0; i < texts.count(); ++i) {
    const std::vector<int32_t>& classes = texts.classes(i);
    std::vector<std::string> tags;
    for (size_t word = 0; word < classes.size(); ++word) {
      const bool shares = word > 0 && texts.first_tokens(i)[word] == texts.first_tokens(i)[word - 1];
      const int32_t told = scores.predicted[static_cast<size_t>(words) + word];
      // Of a score that was ended, what was not told.
      if (told == kNoClass && !shares) break;
      tags.push_back(shares ? tags.back() : labels_[static_cast<size_t>(told)]);
    }
    if (tags.size() < classes.size()) break;
    for (size_t word = 0; word < classes.size(); ++word) {
      right += classes[word] != kNoClass && tags[word] == labels_[static_cast<size_t>(classes[word])];
      learned += classes[word] != kNoClass;
      loss -= scores.log_probabilities[static_cast<size_t>(words++)];
    }
    entities.add(texts.entities(i), entities_of(tags, texts.sentences(i)));
  }
  const EntityCounts all = entities.all();
  Evaluation result;
  result.metrics = {{"f1", all.f1(), words},
                    {"precision", all.precision(), words},
                    {"recall", all.recall(), words},
                    {"macro_f1", entities.macro_f1(), words},
                    {"accuracy", ratio(static_cast<double>(right), static_cast<double>(words)), words},
                    {"loss", ratio(loss, static_cast<double>(learned)), learned}};
  decide_by(choice_name(config_.token_classification.metric), result);
  result.protocol = {{"sequence_length", stage.sequence_length},
                     {"overlap", overlap_of(config_.token_classification, stage)}};
  nlohmann::ordered_json types = nlohmann::ordered_json::object();
  for (const auto& [type, counts] : entities.types()) {
    types[type] = {{"precision", counts.precision()},
                   {"recall", counts.recall()},
                   {"f1", counts.f1()},
                   {"entities", counts.expected},
                   {"predicted", counts.predicted}};
  }
  result.details["entities"] = all.expected;
  result.details["weighted_f1"] = entities.weighted_f1();
  result.details["types"] = types;
  result.details["scored"] = "entities whose begin, end and type are right, as seqeval counts them";
  return result;
}

void TokenClassificationTask::predict(std::vector<Record> records, const PredictionRequest& request,
                                      PredictionSink& sink) {
  const TokenClassificationSection& section = config_.token_classification;
  predict_entities({.model = model_,
                    .labels = labels_,
                    .tokenizer_folder = model_folder(),
                    .compute = compute_dtype(config_),
                    .global = section.global_attention,
                    .overlap = section.overlap.given},
                   std::move(records), request, sink);
}

void TokenClassificationTask::export_model(const std::string& destination) const {
  // For others global attention has projections of its own.
  if (!model_.encoder.shape.own_global_projections) copy_local_to_global(model_.encoder);
  nlohmann::json config = read_model_config(model_folder()).json;
  config["architectures"] = {model_.encoder.shape.is_longformer() ? "LongformerForTokenClassification"
                                                                  : "RobertaForTokenClassification"};
  config.erase("problem_type");  // of a classifier of documents
  name_labels(labels_, config);
  write_model_folder(destination, config, named_parameters(parameters_), model_folder());
}

nlohmann::ordered_json TokenClassificationTask::facts() const {
  nlohmann::ordered_json texts, words, tokens;
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    texts[name(split)] = split_of(split).count();
    words[name(split)] = split_of(split).words();
    tokens[name(split)] = split_of(split).tokens();
  }
  return {{"labels", labels_}, {"texts", texts}, {"words", words}, {"tokens", tokens}};
}

std::vector<std::string> TokenClassificationTask::notices() const {
  std::vector<std::string> result = notices_;
  const std::vector<std::string> of_device =
      device_notices(config_, {model_.encoder.shape.head_width()}, false);
  result.insert(result.end(), of_device.begin(), of_device.end());
  return result;
}

}  // namespace lf
