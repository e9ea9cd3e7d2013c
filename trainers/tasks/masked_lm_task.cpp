#include "trainers/tasks/masked_lm_task.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "autograd/sequence_slices.h"
#include "core/communicator/divided.h"
#include "data/documents/document_tokenizer.h"
#include "trainers/huggingface/convert.h"
#include "trainers/huggingface/model_config.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/tasks/corpora.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/masked_lm_prediction.h"

namespace lf {
namespace {

constexpr const char* kPositions = "embeddings.position_embeddings.weight";

struct MaskedTaskBatch : TaskBatch {
  MaskedBatch tokens;
};

int64_t count_targets(const MaskedBatch& batch) {
  return std::count_if(batch.targets.begin(), batch.targets.end(),
                       [](int32_t t) { return t != kIgnoredTarget; });
}

EncoderInput input_of(const MaskedBatch& batch) {
  return {
      .ids = Tensor::from({batch.rows, batch.length}, batch.inputs), .mask = {}, .global_tokens = nullptr};
}

// The losses of this rank's slices of the batch, or of all of it: see MaskedLM::losses().
Var losses_of(const MaskedLM& model, const MaskedBatch& batch, const Pass& pass, bool recomputes = false) {
  const EncoderInput whole = input_of(batch);
  const Pass part = pass.over(whole.lengths());
  Tensor targets = Tensor::from(whole.ids.shape(), batch.targets);
  if (part.slices) targets = part.slices->own(targets.view({targets.elements()}));
  return model.losses(part_of(whole, part), targets, part, recomputes);
}

void check_vocabulary(const DocumentCorpus& corpus, const EncoderShape& shape, const RunConfig& config) {
  CHECK(corpus.vocabulary_size <= shape.vocabulary, config.data.path, " was prepared with a tokenizer of ",
        corpus.vocabulary_size, " tokens, but the model in ", *config.masked_lm.model, " has ",
        shape.vocabulary,
        "; prepare it with the model's own tokenizer, or without the tokens that were added to that one");
}

// A model folder without a tokenizer cannot say whose ids the corpus has.
void check_tokenizer(const DocumentCorpus& corpus, const RunConfig& config) {
  const std::string& folder = *config.masked_lm.model;
  const bool has_tokenizer =
      std::filesystem::exists(folder + "/tokenizer.json") || std::filesystem::exists(folder + "/vocab.json");
  if (!has_tokenizer) return;
  const std::string hash = tokenizer_hash(ByteLevelTokenizer(folder).definition());
  CHECK(corpus.tokenizer_hash == hash, config.data.path, " was prepared with another tokenizer than that of ",
        folder, "; prepare it with the model's own");
}

}  // namespace

OpenedDocuments open_documents(const std::string& folder) {
  CHECK(std::filesystem::exists(folder), missing_corpus(folder),
        " documents SOURCE --tokenizer FOLDER --out ", folder);
  if (!is_document_corpus(folder)) {
    throw Error(text("data.path ", folder,
                     " holds no prepared documents; make them with: longform prepare "
                     "documents SOURCE --tokenizer FOLDER --out ",
                     folder));
  }
  OpenedDocuments files{open_document_corpus(folder), nullptr, nullptr, nullptr};
  files.train = std::make_shared<TokenFile>(files.corpus.train.path);
  files.validation = std::make_shared<TokenFile>(files.corpus.validation.path);
  files.test = std::make_shared<TokenFile>(files.corpus.test.path);
  // A damaged token is found before the run, not after days of it.
  for (const auto& file : {files.train, files.validation, files.test}) file->verify();
  return files;
}

EncoderShape masked_lm_shape(const RunConfig& config) {
  EncoderShape shape = encoder_shape(read_model_config(*config.masked_lm.model));
  shape.dropout = config.masked_lm.dropout;
  shape.attention_dropout = config.masked_lm.attention_dropout;
  return shape;
}

Score score_blocks(const MaskedLM& model, DType compute, const TokenFile& tokens, const SpecialIds& special,
                   const Masking& masking, const Protocol& protocol, const RankGrid& ranks,
                   const ScoreProgress& progress) {
  const NoGrad no_grad;
  const DocumentBlocks blocks(tokens, protocol.sequence_length, special);
  int64_t count = blocks.count();
  if (protocol.tokens > 0) count = std::clamp<int64_t>(protocol.tokens / blocks.length(), 1, count);
  const auto score_batch = [&](int64_t number) {
    const int64_t first = number * protocol.batch_size;
    const MaskedBatch batch =
        make_evaluation_batch(blocks, masking, first, std::min(protocol.batch_size, count - first));
    if (count_targets(batch) == 0) return std::vector<double>();
    const Pass pass{.training = false, .compute = compute, .sequence_ranks = ranks.sequence()};
    return losses_of(model, batch, pass).value().to_doubles();
  };
  Score score;
  divide(
      ranks, (count + protocol.batch_size - 1) / protocol.batch_size, score_batch,
      [&](int64_t, const std::vector<double>& nats_of_targets) {
        // One by one in the order of the stream, so that the sum does not depend on the batch size.
        for (const double nats : nats_of_targets) score.nats += nats;
        score.targets += std::ssize(nats_of_targets);
      },
      [&](int64_t taken) {
        return !progress || progress(std::min(taken * protocol.batch_size, count), count);
      });
  return score;
}

MaskedLMTask::MaskedLMTask(const RunConfig& config, TaskNeeds needs)
    : config_(config),
      masking_{config.masked_lm.probability, config.masked_lm.mask_share, config.masked_lm.random_share},
      model_(masked_lm_shape(config)),
      parameters_(pack(model_, DType::f32, device_of(config), needs.gradients())) {
  if (needs.data) {
    corpus_ = open_documents(config.data.path);
    check_vocabulary(corpus_.corpus, model_.encoder.shape, config);
    check_tokenizer(corpus_.corpus, config);
  }
  model_hash_ = pretrained_hash(model_folder());
  if (needs.weights) {
    const std::vector<std::string> fresh =
        load_pretrained(model_folder(), kMaskedLMNames, {.fresh = {"lm_head."}}, parameters_);
    has_head_ = fresh.empty();
    const double range = initializer_range(read_model_config(model_folder()));
    initialise(model_, parameters_, range, static_cast<uint64_t>(config.seed), fresh);
    global_projections_are_copies_ = has_global_copies(model_.encoder);
  }
  choose_trained();
}

void MaskedLMTask::choose_trained() {
  const bool new_positions = config_.masked_lm.trained == TrainedChoice::new_positions;
  const auto chosen = [&](const std::string& name) {
    return new_positions ? name.ends_with(kPositions) : name.find("_global.") == std::string::npos;
  };
  train_only(parameters_, chosen);
  for_each_parameter(model_, [&](const std::string& name, Parameter& p) {
    if (!chosen(name)) p.gradient.reset();
  });
  if (new_positions) train_new_positions_only();
}

// Leaves out the rows that the source model had.
void MaskedLMTask::train_new_positions_only() {
  const EncoderShape& shape = model_.encoder.shape;
  const int64_t first_row = config_.masked_lm.first_new_position + shape.padding_id + 1;
  CHECK(first_row < shape.positions, "masked_lm.first_new_position is ", config_.masked_lm.first_new_position,
        ", but the model in ", *config_.masked_lm.model, " has ", shape.longest(),
        " positions: nothing would be trained");
  parameters_.trained.front().begin += first_row * shape.width;
}

DocumentBlocks MaskedLMTask::blocks(const TokenFile& tokens, const Stage& stage) const {
  return DocumentBlocks(tokens, stage.sequence_length, corpus_.corpus.special);
}

void MaskedLMTask::check_stage(const Stage& stage) const {
  const EncoderShape& shape = model_.encoder.shape;
  CHECK(stage.sequence_length <= shape.longest(), stage.name, ": sequence_length ", stage.sequence_length,
        " exceeds the ", shape.longest(), " positions of ", model_folder());
  for (const auto& file : {corpus_.train, corpus_.validation, corpus_.test})
    blocks(*file, stage);  // which refuses what is too short
}

// Each stage cuts the stream to its own length.
std::unique_ptr<TaskBatch> MaskedLMTask::read(const Stage& stage, ExampleRange range) const {
  auto result = std::make_unique<MaskedTaskBatch>();
  MaskedBatch& batch = result->tokens;
  batch = make_masked_batch(blocks(*corpus_.train, stage), masking_, order_seed(config_, stage), range.first,
                            range.count);
  result->about = {.ids = batch.example_ids,
                   .tokens = batch.rows * batch.length,
                   .weight = static_cast<double>(count_targets(batch))};
  return result;
}

int64_t MaskedLMTask::examples(const Stage& stage) const {
  return blocks(*corpus_.train, stage).order(0).sequences_per_epoch();
}

Var MaskedLMTask::loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) {
  const MaskedBatch& tokens = dynamic_cast<const MaskedTaskBatch&>(batch).tokens;
  return sum(losses_of(model_, tokens, pass, stage.recompute));
}

Protocol MaskedLMTask::protocol(Effort effort, const Stage& stage) const {
  const bool reports = effort == Effort::report;
  const int64_t length = reports ? resolved_stages(config_).back().sequence_length : stage.sequence_length;
  return {.sequence_length = length,
          .step = length,
          .batch_size = reports ? config_.evaluation.batch_size : config_.validation.batch_size,
          .tokens = reports ? 0 : config_.validation.tokens};
}

Score MaskedLMTask::score(Split split, const Protocol& protocol, const RankGrid& ranks,
                          const ScoreProgress& progress) const {
  const bool test = split == Split::test, validation = split == Split::validation;
  const TokenFile& tokens = test ? *corpus_.test : validation ? *corpus_.validation : *corpus_.train;
  const DocumentSplit& about = test         ? corpus_.corpus.test
                               : validation ? corpus_.corpus.validation
                                            : corpus_.corpus.train;
  Score score = score_blocks(model_, compute_dtype(config_), tokens, corpus_.corpus.special, masking_,
                             protocol, ranks, progress);
  score.characters_per_target = static_cast<double>(about.characters) / static_cast<double>(about.tokens);
  return score;
}

Evaluation MaskedLMTask::evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                                  const ScoreProgress& progress) {
  const Protocol how = protocol(effort, stage);
  Evaluation result = evaluation_of(score(split, how, ranks, progress), unit(), how);
  result.details["scored"] = "the masked tokens of consecutive blocks, with the same masks every time";
  return result;
}

void MaskedLMTask::predict(std::vector<Record> records, const PredictionRequest& request,
                           PredictionSink& sink) {
  CHECK(has_head_ || request.what == "hidden" || request.what == "attention", model_folder(),
        " is an encoder without a head for masked tokens: all it can say is --what hidden and --what "
        "attention; `longform train` with task: masked_lm gives it a head");
  predict_masked_lm(model_, model_folder(), std::move(records), request, sink);
}

void MaskedLMTask::export_model(const std::string& destination) const {
  nlohmann::json config = read_model_config(model_folder()).json;
  config["architectures"] = {model_.encoder.shape.is_longformer() ? "LongformerForMaskedLM"
                                                                  : "RobertaForMaskedLM"};
  write_model_folder(destination, config, named_parameters(parameters_), model_folder());
}

nlohmann::ordered_json MaskedLMTask::facts() const {
  const DocumentCorpus& about = corpus_.corpus;
  return {
      {"vocabulary", model_.encoder.shape.vocabulary},
      {"tokens",
       {{"train", about.train.tokens}, {"validation", about.validation.tokens}, {"test", about.test.tokens}}},
      {"warnings", about.warnings}};
}

std::vector<std::string> MaskedLMTask::notices() const {
  std::vector<std::string> notices = device_notices(config_, {model_.encoder.shape.head_width()}, false);
  if (!has_head_) notices.push_back(model_folder() + " has no head for masked tokens: it starts anew");
  return notices;
}

void MaskedLMTask::finish() {
  if (global_projections_are_copies_) copy_local_to_global(model_.encoder);
}

}  // namespace lf
