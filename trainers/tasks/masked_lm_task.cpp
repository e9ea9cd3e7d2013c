#include "trainers/tasks/masked_lm_task.h"

#include <algorithm>
#include <filesystem>

#include "core/profile.h"
#include "data/documents/document_tokenizer.h"
#include "trainers/huggingface/convert.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/tasks/corpora.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/masked_lm_estimate.h"

namespace lf {
namespace {

constexpr const char* kPositions = "embeddings.position_embeddings.weight";

int64_t count_targets(const MaskedBatch& batch) {
  return std::count_if(batch.targets.begin(), batch.targets.end(),
                       [](int32_t t) { return t != kIgnoredTarget; });
}

EncoderInput input_of(const MaskedBatch& batch) {
  return {
      .ids = Tensor::from({batch.rows, batch.length}, batch.inputs), .mask = {}, .global_tokens = nullptr};
}

Tensor targets_of(const MaskedBatch& batch) {
  return Tensor::from({batch.rows, batch.length}, batch.targets);
}

void check_vocabulary(const DocumentCorpus& corpus, const EncoderShape& shape, const RunConfig& config) {
  CHECK(corpus.vocabulary_size <= shape.vocabulary, config.data.path, " was prepared with a tokenizer of ",
        corpus.vocabulary_size, " tokens, but the model in ", *config.masked_lm.model, " has ",
        shape.vocabulary, "; prepare it with the model's own tokenizer");
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

DocumentFiles open_document_files(const std::string& folder) {
  CHECK(std::filesystem::exists(folder), missing_corpus(folder),
        " documents SOURCE --tokenizer FOLDER --out ", folder);
  if (!is_document_corpus(folder)) {
    throw Error(text("data.path ", folder,
                     " holds no prepared documents; make them with: longform prepare "
                     "documents SOURCE --tokenizer FOLDER --out ",
                     folder));
  }
  DocumentFiles files{open_document_corpus(folder), nullptr, nullptr, nullptr};
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
                   const Masking& masking, const Protocol& protocol,
                   const std::function<void(int64_t, int64_t)>& progress) {
  const NoGrad no_grad;
  const DocumentBlocks blocks(tokens, protocol.sequence_length, special);
  int64_t count = blocks.count();
  if (protocol.tokens > 0) count = std::clamp<int64_t>(protocol.tokens / blocks.length(), 1, count);
  Score score;
  for (int64_t first = 0; first < count; first += protocol.batch_size) {
    const MaskedBatch batch =
        make_evaluation_batch(blocks, masking, first, std::min(protocol.batch_size, count - first));
    const Pass pass{.training = false, .compute = compute};
    if (count_targets(batch) > 0) {
      // One by one in the order of the stream, so that the sum does not depend on the batch size.
      for (const double nats : model.losses(input_of(batch), targets_of(batch), pass).value().to_doubles()) {
        score.nats += nats;
      }
    }
    score.targets += count_targets(batch);
    if (progress) progress(first + batch.rows, count);
  }
  return score;
}

MaskedLMTask::MaskedLMTask(const RunConfig& config, const Communicator& communicator)
    : config_(config),
      communicator_(communicator),
      corpus_(open_document_files(config.data.path)),
      masking_{config.masked_lm.probability, config.masked_lm.mask_share, config.masked_lm.random_share},
      model_(masked_lm_shape(config)),
      parameters_(pack(model_, DType::f32, device_of(config))) {
  check_vocabulary(corpus_.corpus, model_.encoder.shape, config);
  check_tokenizer(corpus_.corpus, config);
  model_hash_ = pretrained_hash(*config.masked_lm.model);
  load_masked_lm(*config.masked_lm.model, parameters_);
  global_projections_are_copies_ = has_global_copies(model_);
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

void MaskedLMTask::check_stage(const Stage& stage) const {
  const EncoderShape& shape = model_.encoder.shape;
  CHECK(stage.sequence_length <= shape.longest(), stage.name, ": sequence_length ", stage.sequence_length,
        " exceeds the ", shape.longest(), " positions of ", *config_.masked_lm.model);
  for (const auto& file : {corpus_.train, corpus_.validation, corpus_.test}) {
    DocumentBlocks(*file, stage.sequence_length, corpus_.corpus.special);  // which refuses what is too short
  }
}

void MaskedLMTask::begin_stage(const Stage& stage, int64_t stage_index, int64_t first_example) {
  use_stage(stage);
  waited_ = data_wait_seconds();
  // Each stage cuts the stream to its own length and draws its own order and masks.
  const auto seed = static_cast<uint64_t>(config_.seed) + (static_cast<uint64_t>(stage_index) << 32);
  blocks_.emplace(*corpus_.train, stage.sequence_length, corpus_.corpus.special);
  const int64_t rows = stage.micro_batch, ranks = communicator_.size();
  reader_.emplace(*blocks_, masking_, seed, first_example + communicator_.rank() * rows, rows, ranks * rows);
}

Fetched MaskedLMTask::fetch() {
  const int64_t mine = stage_.accumulation() / communicator_.size();
  batches_.clear();
  Fetched fetched;
  for (int64_t i = 0; i < mine; ++i) {
    batches_.push_back(reader_->next());
    fetched.targets += count_targets(batches_.back());
    fetched.tokens += batches_.back().rows * batches_.back().length;
  }
  return fetched;
}

Tensor MaskedLMTask::forward_backward(int64_t i, double factor, uint64_t step) {
  Phase phase("forward");
  const MaskedBatch& batch = batches_[static_cast<size_t>(i)];
  if (count_targets(batch) == 0) return Tensor::zeros({}, DType::f32, parameters_.values.device());
  const Pass pass{.training = true,
                  .compute = compute_dtype(config_),
                  .seed = static_cast<uint64_t>(config_.seed),
                  .step = step};
  const Var loss = sum(model_.losses(input_of(batch), targets_of(batch), pass, stage_.recompute));
  phase.next("backward");
  backward(scale(loss, factor));
  return loss.value();
}

double MaskedLMTask::update_flops(const Stage& stage) const {
  return lf::update_flops(config_, model_.encoder.shape, stage);
}

std::string MaskedLMTask::describe(int64_t i) const {
  std::string ids;
  for (const int64_t id : batches_[static_cast<size_t>(i)].example_ids)
    ids += text(ids.empty() ? "" : ", ", id);
  return "examples " + ids;
}

Score MaskedLMTask::evaluate(Split split, const Protocol& protocol,
                             const std::function<void(int64_t, int64_t)>& progress) {
  const bool test = split == Split::test, validation = split == Split::validation;
  const TokenFile& tokens = test ? *corpus_.test : validation ? *corpus_.validation : *corpus_.train;
  const DocumentSplit& about = test         ? corpus_.corpus.test
                               : validation ? corpus_.corpus.validation
                                            : corpus_.corpus.train;
  Score score = score_blocks(model_, compute_dtype(config_), tokens, corpus_.corpus.special, masking_,
                             protocol, progress);
  score.characters_per_target = static_cast<double>(about.characters) / static_cast<double>(about.tokens);
  return score;
}

std::vector<std::string> MaskedLMTask::notices() const {
  return device_notices(config_, model_.encoder.shape.head_width(), false);
}

double MaskedLMTask::data_wait_seconds() const { return waited_ + (reader_ ? reader_->wait_seconds() : 0.0); }

void MaskedLMTask::finish() {
  if (global_projections_are_copies_) copy_local_to_global(model_);
}

}  // namespace lf
