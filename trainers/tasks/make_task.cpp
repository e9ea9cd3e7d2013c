#include "trainers/tasks/make_task.h"

#include <array>

#include "trainers/huggingface/model_config.h"
#include "trainers/huggingface/seq2seq_config.h"
#include "trainers/tasks/char_lm_task.h"
#include "trainers/tasks/classification_task.h"
#include "trainers/tasks/masked_lm_task.h"
#include "trainers/tasks/seq2seq_task.h"
#include "trainers/tasks/token_classification_task.h"

namespace lf {
namespace {

template <class T>
std::unique_ptr<Task> make(const RunConfig& config, TaskNeeds needs) {
  return std::make_unique<T>(config, needs);
}

template <auto kSection>
void set_model(RunConfig& config, const std::string& folder) {
  (config.*kSection).model = folder;
}

struct KnownTask {
  TaskChoice choice;
  std::unique_ptr<Task> (*make)(const RunConfig&, TaskNeeds);
  // The end of the architectures' names in a config.json that are for this task, and where its section names
  // the pretrained model; null where it has none.
  const char* architecture = nullptr;
  void (*set_model)(RunConfig&, const std::string&) = nullptr;
  void (*settle)(RunConfig&) = nullptr;
};

constexpr std::array kTasks = {
    KnownTask{TaskChoice::char_lm, make<CharLMTask>, nullptr, nullptr, CharLMTask::settle},
    KnownTask{TaskChoice::masked_lm, make<MaskedLMTask>, "ForMaskedLM", set_model<&RunConfig::masked_lm>},
    KnownTask{TaskChoice::classification, make<ClassificationTask>, "ForSequenceClassification",
              set_model<&RunConfig::classification>, ClassificationTask::settle},
    KnownTask{TaskChoice::token_classification, make<TokenClassificationTask>, "ForTokenClassification",
              set_model<&RunConfig::token_classification>, TokenClassificationTask::settle},
    KnownTask{TaskChoice::seq2seq, make<Seq2SeqTask>, "ForConditionalGeneration",
              set_model<&RunConfig::seq2seq>},
};

const KnownTask& known(TaskChoice choice) {
  for (const KnownTask& task : kTasks)
    if (task.choice == choice) return task;
  throw Error("unknown task");
}

}  // namespace

std::unique_ptr<Task> make_task(const RunConfig& config, TaskNeeds needs) {
  require(device_of(config));
  return known(config.task).make(config, needs);
}

void settle_by_task(RunConfig& config) {
  if (const auto settle = known(config.task).settle) settle(config);
}

void use_model_folder(RunConfig& config, const std::string& folder) {
  if (const auto set_model = known(config.task).set_model) set_model(config, folder);
}

RunConfig config_for_model_folder(const std::string& folder) {
  const ModelConfig model = read_model_config(folder);
  const auto architectures = model.json.find("architectures");
  // What weights that name none are looked at for.
  std::string architecture =
      is_seq2seq_type(model.json.value("model_type", "")) ? "ForConditionalGeneration" : "ForMaskedLM";
  if (architectures != model.json.end() && architectures->is_array() && !architectures->empty() &&
      architectures->front().is_string())
    architecture = architectures->front().get<std::string>();
  // An encoder without a head is a masked language model that says hidden states only.
  const auto is_encoder_of = [&](const KnownTask& task) {
    return task.choice == TaskChoice::masked_lm && architecture.ends_with("Model");
  };
  RunConfig config;
  for (const KnownTask& task : kTasks) {
    if (!task.architecture || !(architecture.ends_with(task.architecture) || is_encoder_of(task))) continue;
    config.task = task.choice;
    task.set_model(config, folder);
    return config;
  }
  std::string known;
  for (const KnownTask& task : kTasks) {
    if (task.architecture) known += text(known.empty() ? "" : ", ", task.architecture);
  }
  throw Error(text(folder, "/config.json names the architecture ", architecture,
                   "; known are those that end in ", known));
}

}  // namespace lf
