#include "trainers/tasks/seq2seq_task.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"
#include "core/choices.h"
#include "core/messages.h"
#include "data/example_order.h"
#include "data/tasks/shared_texts.h"
#include "trainers/config/paths.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/huggingface/seq2seq_config.h"
#include "trainers/tasks/attention_prediction.h"
#include "trainers/tasks/cut_notices.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/seq2seq_input.h"
#include "trainers/tasks/seq2seq_scores.h"

namespace lf {
namespace {

struct SummaryBatch : TaskBatch {
  Seq2SeqBatch pairs;
};

Seq2SeqShape shape_of(const Seq2SeqSection& section) {
  Seq2SeqShape shape = seq2seq_shape(read_model_config(*section.model));
  shape.encoder.dropout = section.dropout;
  shape.encoder.attention_dropout = section.attention_dropout;
  return shape;
}

// Adds to `texts` what the split is compared with others by.
TokenizedPairs read_split(const Seq2SeqSection& section, Split split, const std::string& path,
                          const std::string& urls, const ByteLevelTokenizer& tokenizer,
                          std::vector<SplitTexts>& texts, std::vector<std::string>& notices) {
  if (path.empty()) return {};
  SummaryOptions options;
  options.keys = {
      .id = section.id_key, .source = section.source_key.value(), .target = section.target_key.value()};
  options.url_list = urls;
  options.empty = section.empty;
  const std::vector<SummaryPair> pairs = read_summaries(path, options, notices);
  SplitTexts& compared = texts.emplace_back(SplitTexts{.name = name(split), .ids = {}, .hashes = {}});
  for (const SummaryPair& pair : pairs) {
    compared.ids.push_back(pair.id);
    compared.hashes.push_back(hash_of_words(pair.source));
  }
  return {pairs, tokenizer};
}

}  // namespace

Seq2SeqTask::Seq2SeqTask(const RunConfig& config, TaskNeeds needs)
    : config_(config),
      model_(shape_of(config.seq2seq)),
      parameters_(pack(model_, DType::f32, device_of(config), needs.gradients())),
      model_hash_(pretrained_hash(*config.seq2seq.model)) {
  const Seq2SeqSection& section = config_.seq2seq;
  if (needs.data) {
    check_data_paths(config);
    const ByteLevelTokenizer& tokenizer = tokenizer_.emplace(model_folder());
    std::vector<SplitTexts> texts;
    const auto read = [&](Split split, const std::string& path, const std::string& urls) {
      return read_split(section, split, path, urls, tokenizer, texts, notices_);
    };
    train_ = read(Split::train, config.data.path, section.train_urls.value());
    validation_ = read(Split::validation, section.validation.value(), section.validation_urls.value());
    test_ = read(Split::test, section.test.value(), section.test_urls.value());
    if (section.metric != SummaryMetricChoice::loss && section.validation.value().empty())
      notices_.push_back(
          text("seq2seq.metric is ", choice_name(section.metric),
               ", but seq2seq.validation names no texts: nothing is scored while the run trains, "
               "and no checkpoint is the best"));
    for (std::string& notice : shared_texts("texts", texts)) notices_.push_back(std::move(notice));
  }
  if (needs.weights)
    load_pretrained(model_folder(), kSeq2SeqNames, {.fresh = {"final_logits_bias"}}, parameters_);
}

std::string Seq2SeqTask::data_hash() const {
  return train_.content_hash() + validation_.content_hash() + test_.content_hash();
}

void Seq2SeqTask::check_stage(const Stage& stage) const {
  const int64_t longest = model_.shape.encoder.longest(), target = config_.seq2seq.target_length;
  CHECK(stage.sequence_length >= 3 && stage.sequence_length <= longest, stage.name, ": sequence_length is ",
        stage.sequence_length, ", the most tokens that are read of a text; ", model_folder(),
        " has positions for 3 to ", longest);
  CHECK(target <= model_.shape.longest_target(), "seq2seq.target_length is ", target, "; ", model_folder(),
        " has positions for ", model_.shape.longest_target());
  settings_of_run(config_.seq2seq, model_.shape).validate("seq2seq: ");
}

const TokenizedPairs& Seq2SeqTask::split_of(Split split) const {
  return split == Split::train ? train_ : split == Split::validation ? validation_ : test_;
}

int64_t Seq2SeqTask::pair(const Stage& stage, int64_t example) const {
  return Permutation(train_.count(), order_seed(config_, stage)).at(example);
}

int64_t Seq2SeqTask::tokens(const Stage& stage, int64_t example) const {
  const int64_t id = pair(stage, example);
  return train_.sources.length(id, stage.sequence_length) +
         labels_of(train_.targets.length(id, config_.seq2seq.target_length), config_.seq2seq.decoder_prefix);
}

Examples Seq2SeqTask::about(const Stage& stage, ExampleRange range) const {
  const Seq2SeqSection& section = config_.seq2seq;
  Examples about;
  for (int64_t i = range.first; i < range.first + range.count; ++i) {
    about.ids.push_back(pair(stage, i));
    const int64_t labels =
        labels_of(train_.targets.length(about.ids.back(), section.target_length), section.decoder_prefix);
    about.tokens += train_.sources.length(about.ids.back(), stage.sequence_length) + labels;
    about.weight += static_cast<double>(labels);
  }
  return about;
}

std::unique_ptr<TaskBatch> Seq2SeqTask::read(const Stage& stage, ExampleRange range) const {
  auto batch = std::make_unique<SummaryBatch>();
  batch->about = about(stage, range);
  batch->pairs =
      seq2seq_batch(train_, batch->about.ids, stage.sequence_length, config_.seq2seq, model_.shape);
  return batch;
}

Var Seq2SeqTask::loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) {
  const Seq2SeqBatch& pairs = dynamic_cast<const SummaryBatch&>(batch).pairs;
  return sum(label_losses(model_, pairs, config_.seq2seq.label_smoothing, pass, stage.recompute));
}

Evaluation Seq2SeqTask::evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                                 const ScoreProgress& progress) {
  const NoGrad no_grad;
  const Seq2SeqSection& section = config_.seq2seq;
  const TokenizedPairs& pairs = split_of(split);
  const bool reports = effort == Effort::report;
  const int64_t rows = reports ? config_.evaluation.batch_size : config_.validation.batch_size;
  const LabelScore labels = score_labels(model_, pairs, section, stage.sequence_length, rows,
                                         compute_dtype(config_), ranks, progress);
  Evaluation result;
  result.metrics = {{"loss", labels.nats / static_cast<double>(labels.count), labels.count}};
  result.protocol = {{"sequence_length", stage.sequence_length}, {"target_length", section.target_length}};
  if (section.metric == SummaryMetricChoice::loss) return result;
  const int64_t texts =
      reports || section.scored_texts == 0 ? pairs.count() : std::min(section.scored_texts, pairs.count());
  for (Metric& metric :
       score_written(writer(stage.sequence_length), pairs, texts, section, *tokenizer_, ranks, progress)) {
    metric.count = labels.count;
    result.metrics.push_back(std::move(metric));
  }
  decide_by(choice_name(section.metric), result);
  result.protocol["texts"] = texts;
  result.protocol["num_beams"] = section.num_beams;
  return result;
}

SummaryWriter Seq2SeqTask::writer(int64_t longest) const {
  const Seq2SeqSection& section = config_.seq2seq;
  const bool is_run = longest > 0;  // a model folder has no stage
  return {model_,
          is_run ? settings_of_run(section, model_.shape) : settings_of_model(model_folder(), model_.shape),
          prompt_of(section.decoder_prefix, model_.shape), is_run ? longest : model_.shape.encoder.longest(),
          section.global_attention};
}

void Seq2SeqTask::write(std::vector<Record> records, const WritingRequest& request, const Stage& stage,
                        PredictionSink& sink) const {
  writer(stage.sequence_length).write(std::move(records), model_folder(), request, sink);
}

void Seq2SeqTask::predict(std::vector<Record> records, const PredictionRequest& request,
                          PredictionSink& sink) {
  const SummaryWriter texts = writer(request.longest);
  if (request.what == "attention") {
    texts.prepare(records, model_folder());
    const auto encode = [&](const EncoderInput& input, const Pass& pass) { model_.encode(input, pass); };
    return predict_attention({model_.shape.encoder, encode}, records, sink);
  }
  if (!request.what.empty() && request.what != "summaries")
    throw UsageError("--what is " + request.what + "; needed summaries or attention");
  texts.write(std::move(records), model_folder(), {}, sink);
}

void Seq2SeqTask::export_model(const std::string& destination) const {
  nlohmann::json config = read_model_config(model_folder()).json;
  config["architectures"] = {model_.shape.is_led() ? "LEDForConditionalGeneration"
                                                   : "BartForConditionalGeneration"};
  if (config_.seq2seq.decoder_prefix == DecoderPrefix::begin)
    config["decoder_start_token_id"] = model_.shape.begin_id;
  const GenerationSettings settings = settings_of_run(config_.seq2seq, model_.shape);
  const std::string writes = generation_json(settings, model_.shape.encoder.padding_id, writer(1).prompt[0]);
  if (model_.shape.is_led() && config_.seq2seq.global_attention == GlobalAttention::none)
    messages::warning(text(destination,
                           " cannot say that the run has learned without global attention; "
                           "`longform generate` gives it to the first token there"));
  write_model_folder(destination, config, named_parameters(parameters_), model_folder(),
                     {{"generation_config.json", writes}});
}

nlohmann::ordered_json Seq2SeqTask::facts() const {
  nlohmann::ordered_json texts, sources, targets;
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    texts[name(split)] = split_of(split).count();
    sources[name(split)] = split_of(split).sources.tokens();
    targets[name(split)] = split_of(split).targets.tokens();
  }
  return {{"texts", texts}, {"source_tokens", sources}, {"target_tokens", targets}};
}

std::vector<std::string> Seq2SeqTask::notices() const {
  std::vector<std::string> result = notices_;
  for (const Stage& stage : resolved_stages(config_)) {
    for (const Split split : {Split::train, Split::validation, Split::test}) {
      const TokenizedPairs& pairs = split_of(split);
      notice_cut(stage, split, "texts", pairs.sources, stage.sequence_length, result);
      notice_cut(stage, split, "summaries", pairs.targets, config_.seq2seq.target_length, result);
    }
  }
  const Seq2SeqShape& shape = model_.shape;
  const std::vector<std::string> of_device =
      device_notices(config_, {shape.encoder.head_width(), shape.encoder.width / shape.decoder_heads}, false);
  result.insert(result.end(), of_device.begin(), of_device.end());
  return result;
}

}  // namespace lf
