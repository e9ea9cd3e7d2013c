// Continuing a pretrained masked language model on long documents (Beltagy et al. 2020, section 5).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/documents/document_corpus.h"
#include "data/documents/masked_reader.h"
#include "layers/encoder.h"
#include "trainers/tasks/language_model_score.h"
#include "trainers/tasks/task.h"

namespace lf {

// A prepared document corpus with its token files open and verified.
struct OpenedDocuments {
  DocumentCorpus corpus;
  std::shared_ptr<const TokenFile> train, validation, test;
};
OpenedDocuments open_documents(const std::string& folder);

// The sizes of the configured pretrained model, with the configuration's dropout. An Error if its folder or
// the corpus does not fit.
EncoderShape masked_lm_shape(const RunConfig& config);

// Scores blocks of a token file, each with the masks that every evaluation gives it: every block of
// protocol.sequence_length that fits into the first protocol.tokens tokens (0: all), at least one.
Score score_blocks(const MaskedLM& model, DType compute, const TokenFile& tokens, const SpecialIds& special,
                   const Masking& masking, const Protocol& protocol, const RankGrid& ranks,
                   const ScoreProgress& progress);

class MaskedLMTask : public Task {
 public:
  // Opens the corpus, if it is needed, and the pretrained model; with trained: new_positions, all but those
  // is frozen.
  MaskedLMTask(const RunConfig& config, TaskNeeds needs);

  ParameterBlock& parameters() override { return parameters_; }
  // Training has no global tokens and never updates the global projections; those that were copies of the
  // local ones when training began become copies again.
  void finish() override;
  std::string data_hash() const override {
    return corpus_.train->header().content_hash + corpus_.validation->header().content_hash +
           corpus_.test->header().content_hash;
  }
  std::string model_hash() const override { return model_hash_; }
  std::string model_folder() const override { return *config_.masked_lm.model; }
  void check_stage(const Stage& stage) const override;
  int64_t examples(const Stage& stage) const override;
  int64_t tokens(const Stage& stage, int64_t) const override { return stage.sequence_length; }
  std::unique_ptr<TaskBatch> read(const Stage& stage, ExampleRange range) const override;
  Var loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) override;
  LossUnit unit() const override { return {"token", true}; }
  bool has(Split) const override { return true; }
  Evaluation evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                      const ScoreProgress& progress) override;
  // hidden, logits, loss, attention, or fill-mask.
  void predict(std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink) override;
  void export_model(const std::string& destination) const override;
  nlohmann::ordered_json facts() const override;
  std::vector<int64_t> windows(const Stage& stage) const override {
    return model_.encoder.shape.windows_or(stage.sequence_length);
  }
  std::vector<std::string> notices() const override;

  // How a split is scored: in blocks that do not overlap.
  Protocol protocol(Effort effort, const Stage& stage) const;
  Score score(Split split, const Protocol& protocol, const RankGrid& ranks,
              const ScoreProgress& progress) const;

  const MaskedLM& model() const { return model_; }
  const DocumentCorpus& corpus() const { return corpus_.corpus; }

 private:
  void choose_trained();
  void train_new_positions_only();
  DocumentBlocks blocks(const TokenFile& tokens, const Stage& stage) const;

  RunConfig config_;
  OpenedDocuments corpus_;
  Masking masking_;
  MaskedLM model_;
  ParameterBlock parameters_;
  bool has_head_ = true;  // the pretrained model has one for masked tokens
  bool global_projections_are_copies_ = false;
  std::string model_hash_;
};

}  // namespace lf
