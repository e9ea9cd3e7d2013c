// Token classification: finding entities in sentences or long documents, by a tag of every word.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "data/tasks/token_classification.h"
#include "data/tasks/tokenized_words.h"
#include "layers/token_classifier.h"
#include "trainers/metrics/entity_scores.h"
#include "trainers/tasks/task.h"
#include "trainers/tasks/window_input.h"

namespace lf {

class TokenClassificationTask : public Task {
 public:
  // Reads and tokenizes the data, if they are needed, and opens the pretrained model; a head that it lacks is
  // drawn anew.
  TokenClassificationTask(const RunConfig& config, TaskNeeds needs);

  // Stores the tags with the run, so that its model can be used without the data.
  static void settle(RunConfig& config);

  ParameterBlock& parameters() override { return parameters_; }
  std::vector<ParameterGroup> groups(const OptimizerSection& settings) override;
  std::string data_hash() const override;
  std::string model_hash() const override { return model_hash_; }
  std::string model_folder() const override { return *config_.token_classification.model; }
  void check_stage(const Stage& stage) const override;
  // An example is a window: a whole text where the stage's sequences are long enough.
  int64_t examples(const Stage& stage) const override { return std::ssize(train_windows(stage)); }
  int64_t tokens(const Stage& stage, int64_t example) const override;
  std::unique_ptr<TaskBatch> read(const Stage& stage, ExampleRange range) const override;
  Examples about(const Stage& stage, ExampleRange range) const override;
  Var loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) override;
  LossUnit unit() const override { return {"word", false}; }
  bool has(Split split) const override { return split_of(split).count() > 0; }
  Evaluation evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                      const ScoreProgress& progress) override;
  // Entities (what: "" or "entities"), the words with their tags ("tags"), or logits or hidden states as
  // tensors.
  void predict(std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink) override;
  void export_model(const std::string& destination) const override;
  nlohmann::ordered_json facts() const override;
  std::vector<int64_t> windows(const Stage& stage) const override {
    return model_.encoder.shape.windows_or(stage.sequence_length);
  }
  std::vector<std::string> notices() const override;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  TokenClassificationTask(const RunConfig& config, TaskNeeds needs, TokenClassificationData data);

  struct WordScores;  // what a model says of the words of a split
  const TokenizedWords& split_of(Split split) const;
  std::vector<WordWindow> windows_of(const TokenizedWords& texts, const Stage& stage) const;
  const std::vector<WordWindow>& train_windows(const Stage& stage) const;
  const WordWindow& window(const Stage& stage, int64_t example) const;
  Evaluation evaluation_of(const TokenizedWords& texts, const WordScores& scores, const Stage& stage) const;

  RunConfig config_;
  std::vector<std::string> labels_, notices_;
  TokenizedWords train_, validation_, test_;
  TokenClassifier model_;
  ParameterBlock parameters_;
  std::string model_hash_;
  std::optional<WindowReading> reading_;  // where there are data

  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::vector<WordWindow>> train_windows_;  // by sequence length
};

}  // namespace lf
