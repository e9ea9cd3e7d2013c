// What the training loop asks of a task. The loop owns batches, ranks and backward; a task owns reading,
// loss, scores and predictions. It is one file in trainers/tasks/; nothing but make_task knows it by name.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/communicator/rank_grid.h"
#include "layers/basic.h"
#include "layers/module.h"
#include "trainers/config/run_config.h"
#include "trainers/config/stages.h"
#include "trainers/generation/text_model.h"
#include "trainers/generation/writing.h"
#include "trainers/optimizer/parameter_groups.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

struct Evaluation;
struct Record;

enum class Split { train, validation, test };
const char* name(Split split);

// How much work a score is worth: what guides a run on its way, or the figure that is reported.
enum class Effort { validation, report };

// Called after each batch of a score, or of each part of it; what it throws ends the score. False: no more of
// this part is wanted, whatever the score then is.
using ScoreProgress = std::function<bool(int64_t done, int64_t total)>;

// Training examples first ... first + count - 1 of a stage, counted over all of its epochs.
struct ExampleRange {
  int64_t first = 0, count = 0;
};

// What a micro-batch holds.
struct Examples {
  std::vector<int64_t> ids;  // for reports
  int64_t tokens = 0;        // computed on
  double weight = 0;         // what the summed loss is divided by: targets, documents
};

// A micro-batch that was read; each task derives its own.
struct TaskBatch {
  Examples about;
  virtual ~TaskBatch() = default;
};

// What the loss of a run counts, in reports and as the key of logs.
struct LossUnit {
  std::string name;      // "character", "token", "document"
  bool is_bits = false;  // reported as bits per unit too

  // "bits_per_character"; empty where losses are reported in nats only.
  std::string bits_key() const { return is_bits ? "bits_per_" + name : std::string(); }
};

// What is needed of a task that is opened.
struct TaskNeeds {
  Gradients gradients() const { return training ? Gradients::wanted : Gradients::none; }

  bool data = true;      // to train on or to score; predictions need the model alone
  bool weights = true;   // the initial ones; a checkpoint's replace them
  bool training = true;  // gradients
  // Of a run, the byte that each token stands for, where that is not decided by a tokenizer: data are read
  // so.
  std::vector<uint8_t> alphabet = {};
};

class Task {
 public:
  virtual ~Task() = default;

  virtual ParameterBlock& parameters() = 0;
  // Rates and decay of the parameters that are trained; with and without weight decay unless a task knows
  // better.
  virtual std::vector<ParameterGroup> groups(const OptimizerSection& settings) {
    return decay_groups(parameters(), settings.weight_decay);
  }
  // The last change to the parameters, after the last stage's updates and before its scores.
  virtual void finish() {}

  // Names the content of the data: other data, another hash.
  virtual std::string data_hash() const = 0;
  // Names what the token ids of the data stand for; "" where the model itself decides it.
  virtual std::string vocabulary_hash() const { return ""; }
  // The byte that each token stands for; empty where a tokenizer decides it. With it a run needs no data to
  // write text.
  virtual std::vector<uint8_t> alphabet() const { return {}; }
  // Names what the model is made from beside the run itself, such as a pretrained model's config.json; "" for
  // nothing.
  virtual std::string model_hash() const { return ""; }
  // The folder of the pretrained model, with its tokenizer; "" for none.
  virtual std::string model_folder() const { return ""; }

  // Throws an Error when the data do not fit the stage.
  virtual void check_stage(const Stage& stage) const = 0;
  // Examples in an epoch of the stage.
  virtual int64_t examples(const Stage& stage) const = 0;
  // Tokens of one of the stage's examples, by which micro-batches of a token budget are formed.
  virtual int64_t tokens(const Stage& stage, int64_t example) const = 0;
  // Reads training examples: a pure function of seed, stage and range. Called on a thread of its own, while
  // the loop trains.
  virtual std::unique_ptr<TaskBatch> read(const Stage& stage, ExampleRange range) const = 0;
  // What read() says about the same examples, where that is cheaper to know.
  virtual Examples about(const Stage& stage, ExampleRange range) const { return read(stage, range)->about; }
  // The batch's loss in nats, summed, (). Only called for batches whose weight is not zero.
  virtual Var loss(const TaskBatch& batch, const Stage& stage, const Pass& pass) = 0;
  virtual LossUnit unit() const = 0;

  // Whether the data have such a split, with what is needed to score it.
  virtual bool has(Split split) const = 0;
  // Scores a split that the data have, with the stage's patterns, every target once. Ranks divide the work
  // and have the same result; each calls `progress`, which may be empty, as often as the others.
  virtual Evaluation evaluate(Split split, Effort effort, const Stage& stage, const RankGrid& ranks,
                              const ScoreProgress& progress) = 0;

  // Answers records, in their order, into the sink. An Error where the task has no such predictions.
  virtual void predict(std::vector<Record> records, const PredictionRequest& request, PredictionSink& sink);
  // The model as one that writes text, with the stage's patterns; it must not outlive the task. An Error
  // where the task has none.
  virtual std::unique_ptr<TextModel> text_model(const Stage& stage) const;
  // Writes texts for records, by the stage's patterns: a line for each record, {"id", "output_ids", "score",
  // "text"}, each of the last three a list where there are several. UsageError for settings that the texts
  // cannot follow.
  virtual void write(std::vector<Record> records, const WritingRequest& request, const Stage& stage,
                     PredictionSink& sink) const;
  // Writes the model as a new folder in Hugging Face form. An Error where there is no such form.
  virtual void export_model(const std::string& destination) const;

  // What there is to know of the data and the model before a run: their sizes, and "warnings" where they are
  // odd.
  virtual nlohmann::ordered_json facts() const;
  // Keys that a query sees in the stage by layer, bottom to top, for reports.
  virtual std::vector<int64_t> windows(const Stage& stage) const { return stage.windows; }
  // What makes a run as configured slower or worse than it could be, each said once when it starts.
  virtual std::vector<std::string> notices() const { return {}; }
};

// The stages of a run, with the length of those that count epochs in steps too. An Error where the data do
// not fit one: a last stage must not fail after days.
std::vector<Stage> planned_stages(const RunConfig& config, const Task& task);

// Adds factor times the gradient of the batch's summed loss to the parameters' gradients. Returns the loss in
// nats, (), which a device may still be computing.
Tensor forward_backward(Task& task, const TaskBatch& batch, const Stage& stage, double factor,
                        const Pass& pass);

}  // namespace lf
