#include "trainers/tasks/task.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/failpoint.h"
#include "core/profile.h"
#include "data/records.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/prompt_writing.h"

namespace lf {

const char* name(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::validation:
      return "validation";
    case Split::test:
      return "test";
  }
  return "unknown";
}

void Task::predict(std::vector<Record>, const PredictionRequest&, PredictionSink&) {
  throw Error("a model of this task has no predictions; needed one that fills masks, or a fine-tuned one");
}

std::unique_ptr<TextModel> Task::text_model(const Stage&) const {
  throw Error(
      "a model of this task writes no text; needed a run of task: char_lm or seq2seq, a BART or an LED");
}

void Task::write(std::vector<Record> records, const WritingRequest& request, const Stage& stage,
                 PredictionSink& sink) const {
  write_after_prompts(*text_model(stage), records, request, sink);
}

void Task::export_model(const std::string&) const {
  throw Error("a model of this task has no form that transformers knows");
}

nlohmann::ordered_json Task::facts() const { return nlohmann::ordered_json::object(); }

std::vector<Stage> planned_stages(const RunConfig& config, const Task& task) {
  std::vector<Stage> stages = resolved_stages(config);
  for (Stage& stage : stages) {
    task.check_stage(stage);
    CHECK(stage.patience == 0 || task.has(Split::validation), stage.name,
          ": patience counts validations, but the data have no validation split");
    if (stage.epochs == 0) continue;
    const double examples = stage.epochs * static_cast<double>(task.examples(stage));
    const auto steps = static_cast<int64_t>(std::ceil(examples / static_cast<double>(stage.batch_size)));
    stage.steps = stage.steps > 0 ? std::min(stage.steps, steps) : steps;
  }
  return stages;
}

Tensor forward_backward(Task& task, const TaskBatch& batch, const Stage& stage, double factor,
                        const Pass& pass) {
  if (batch.about.weight == 0) return Tensor::zeros({}, DType::f32, task.parameters().values.device());
  Phase phase("forward");
  const Var loss = task.loss(batch, stage, pass);
  phase.next("backward");
  failpoint("trainer.backward");
  backward(scale(loss, factor));
  return loss.value();
}

}  // namespace lf
