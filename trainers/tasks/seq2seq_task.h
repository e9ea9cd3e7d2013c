// Summaries by a pretrained BART or LED (Beltagy et al. 2020, section 7): texts and their summaries from the
// official files or from any records.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/tasks/tokenized_pairs.h"
#include "layers/seq2seq.h"
#include "trainers/tasks/seq2seq_writing.h"
#include "trainers/tasks/task.h"

namespace lf {

class Seq2SeqTask : public Task {
 public:
  // Reads and tokenizes the data, if they are needed, and opens the pretrained model.
  Seq2SeqTask(const RunConfig& config, TaskNeeds needs);

  ParameterBlock& parameters() override { return parameters_; }
  std::string data_hash() const override;
  std::string model_hash() const override { return model_hash_; }
  std::string model_folder() const override { return *config_.seq2seq.model; }
  void check_stage(const Stage& stage) const override;
  int64_t examples(const Stage&) const override { return train_.count(); }
  // Of source and target together.
  int64_t tokens(const Stage& stage, int64_t example) const override;
  std::unique_ptr<TaskBatch> read(const Stage& stage, ExampleRange range) const override;
  Examples about(const Stage& stage, ExampleRange range) const override;
  Var loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) override;
  LossUnit unit() const override { return {"token", false}; }
  bool has(Split split) const override { return split_of(split).count() > 0; }
  // The loss of the given summaries and, where metric asks for it, ROUGE of written ones.
  Evaluation evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                      const ScoreProgress& progress) override;
  // Summaries (what: "" or "summaries"), a line each, as they are finished; "attention": the encoder's, as
  // tensors.
  void predict(std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink) override;
  void write(std::vector<Record> records, const WritingRequest& request, const Stage& stage,
             PredictionSink& sink) const override;
  void export_model(const std::string& destination) const override;
  nlohmann::ordered_json facts() const override;
  std::vector<int64_t> windows(const Stage& stage) const override {
    return model_.shape.encoder.windows_or(stage.sequence_length);
  }
  std::vector<std::string> notices() const override;

 private:
  const TokenizedPairs& split_of(Split split) const;
  // By a run's configuration for texts of `longest` tokens at most; 0: by the model's folder.
  SummaryWriter writer(int64_t longest) const;
  int64_t pair(const Stage& stage, int64_t example) const;

  RunConfig config_;
  std::vector<std::string> notices_;
  std::optional<ByteLevelTokenizer> tokenizer_;  // where there are data
  TokenizedPairs train_, validation_, test_;
  Seq2Seq model_;
  ParameterBlock parameters_;
  std::string model_hash_;
};

}  // namespace lf
