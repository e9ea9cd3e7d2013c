// Classification of documents: IMDB and Hyperpartisan (Beltagy et al. 2020, section 6), or any labelled
// records.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/tasks/classification.h"
#include "data/tasks/tokenized_documents.h"
#include "layers/sequence_classifier.h"
#include "trainers/metrics/classification.h"
#include "trainers/tasks/task.h"

namespace lf {

class ClassificationTask : public Task {
 public:
  // Reads and tokenizes the data, if they are needed, and opens the pretrained model; a head that it lacks is
  // drawn anew.
  ClassificationTask(const RunConfig& config, TaskNeeds needs);

  // Stores the labels with the run, so that its model can be used without the data.
  static void settle(RunConfig& config);

  ParameterBlock& parameters() override { return parameters_; }
  std::vector<ParameterGroup> groups(const OptimizerSection& settings) override;
  std::string data_hash() const override;
  std::string model_hash() const override { return model_hash_; }
  std::string model_folder() const override { return *config_.classification.model; }
  void check_stage(const Stage& stage) const override;
  int64_t examples(const Stage&) const override { return train_.count(); }
  int64_t tokens(const Stage& stage, int64_t example) const override;
  std::unique_ptr<TaskBatch> read(const Stage& stage, ExampleRange range) const override;
  Examples about(const Stage& stage, ExampleRange range) const override;
  Var loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) override;
  LossUnit unit() const override { return {"document", false}; }
  bool has(Split split) const override { return split_of(split).count() > 0; }
  Evaluation evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                      const ScoreProgress& progress) override;
  // The label with all probabilities (what: "" or "classes"), or logits or hidden states as tensors.
  void predict(std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink) override;
  void export_model(const std::string& destination) const override;
  nlohmann::ordered_json facts() const override;
  std::vector<int64_t> windows(const Stage& stage) const override {
    return model_.encoder.shape.windows_or(stage.sequence_length);
  }
  std::vector<std::string> notices() const override;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  ClassificationTask(const RunConfig& config, TaskNeeds needs, ClassificationData data);

  const TokenizedDocuments& split_of(Split split) const;
  int64_t document(const Stage& stage, int64_t example) const;
  bool first_is_global() const;
  double class_weight(int64_t label) const;
  Evaluation evaluation_of(const Confusion& confusion, double loss, const Stage& stage) const;

  RunConfig config_;
  std::vector<std::string> labels_, notices_;
  TokenizedDocuments train_, validation_, test_;
  std::vector<double> class_weights_;  // empty: all 1
  SequenceClassifier model_;
  ParameterBlock parameters_;
  std::string model_hash_;
};

}  // namespace lf
