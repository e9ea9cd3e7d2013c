// Character language modelling on text8 and enwik8 (Beltagy et al. 2020, section 4).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/characters/next_token_reader.h"
#include "layers/char_lm.h"
#include "trainers/tasks/char_lm_model.h"
#include "trainers/tasks/corpora.h"
#include "trainers/tasks/language_model_score.h"
#include "trainers/tasks/task.h"

namespace lf {

// Scores tokens[0 .. limit) of a file with the model: each target once, in the windows of the protocol. The
// order of the sum does not depend on the batch size; its last bits may, because oneDNN chooses a product's
// kernel by its rows.
Score score_tokens(const CharLM& model, const CharLMPattern& pattern, DType compute, const TokenFile& tokens,
                   const Protocol& protocol, const RankGrid& ranks, const ScoreProgress& progress);

class CharLMTask : public Task {
 public:
  // Opens the corpus (preparing it first where the path is a raw file), which names the symbols unless a run
  // has them, and initialises the model. With an alphabet and no need of data the corpus is not looked for.
  CharLMTask(const RunConfig& config, TaskNeeds needs);

  // Decides what the configuration leaves to the corpus. Throws as settled_data() does.
  static void settle(RunConfig& config) { config.data = settled_data(config.data); }

  ParameterBlock& parameters() override { return parameters_; }
  std::string data_hash() const override {
    return corpus_.train->header().content_hash + corpus_.validation->header().content_hash +
           corpus_.test->header().content_hash;
  }
  std::string vocabulary_hash() const override;
  std::vector<uint8_t> alphabet() const override { return alphabet_; }
  void check_stage(const Stage& stage) const override { check_corpus_fits(corpus_, stage); }
  int64_t examples(const Stage& stage) const override { return order(stage).sequences_per_epoch(); }
  int64_t tokens(const Stage& stage, int64_t) const override { return stage.sequence_length; }
  std::unique_ptr<TaskBatch> read(const Stage& stage, ExampleRange range) const override;
  Examples about(const Stage& stage, ExampleRange range) const override;
  Var loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) override;
  LossUnit unit() const override { return {"character", true}; }
  bool has(Split) const override { return true; }
  Evaluation evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                      const ScoreProgress& progress) override;
  std::unique_ptr<TextModel> text_model(const Stage& stage) const override;
  nlohmann::ordered_json facts() const override;
  std::vector<std::string> notices() const override;

  // The score of a split by a protocol.
  Score score(Split split, const Protocol& protocol, const Stage& stage, const RankGrid& ranks,
              const ScoreProgress& progress) const;

 private:
  SequenceOrder order(const Stage& stage) const;

  RunConfig config_;
  CorpusFiles corpus_;
  std::vector<uint8_t> alphabet_;
  CharLM model_;
  ParameterBlock parameters_;
};

}  // namespace lf
