// A run folder: config.yaml (resolved), log.jsonl, timing.jsonl, messages.log, checkpoints/, latest, best,
// events/, and model/ with the configuration and the tokenizer of the pretrained model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainers/optimizer/optimizer.h"
#include "trainers/run/checkpoint.h"
#include "trainers/run/run_state.h"
#include "trainers/tasks/task.h"

namespace lf {

inline constexpr const char* kConfigName = "config.yaml";

// The configuration stored with a run.
RunConfig run_folder_config(const std::string& folder);

// The configuration with what it leaves to the machine and the corpus decided: by the run in `folder` that is
// resumed, or for a new one. Throws as settled_data() does.
RunConfig settled_config(const RunConfig& config, const std::string& folder, bool resume);

// The folder; throws UsageError when it holds another run, or when resuming would make the run another one.
std::string checked_run_folder(const RunConfig& config, const std::string& folder, bool resume);

// Checks the folder again, which another process may have changed before this one locked it, and stores the
// configuration of a new run; returns the folder. It is done once nothing of the configuration can fail any
// more, so that a corrected configuration does not meet a run of the wrong one.
std::string start_run_folder(const RunConfig& config, const std::string& folder, bool resume);
// The configuration as the run's own: a resumed run, once it is known to be the same, may have changed what
// does not change its results, such as the device.
void store_config(const RunConfig& config, const std::string& folder);

// Keeps what the run needs of its pretrained model beside the weights, unless it has it already.
void store_model(const Task& task, const std::string& folder);
// Lets the configuration of a run name what the run keeps of its pretrained model, if it keeps it.
void use_stored_model(RunConfig& config, const std::string& folder);

// Throws UsageError when the checkpoint was saved with another configuration or other data: both may have
// been edited in place since.
void check_same_run(const LoadedCheckpoint& checkpoint, const RunConfig& config, const Task& task);
// Whether the checkpoint was trained on the very data that the task has open.
bool has_data_of(const LoadedCheckpoint& checkpoint, const Task& task);
// Throws UsageError when the tokens of the task's data stand for other symbols than those the checkpoint's
// do.
void check_same_vocabulary(const LoadedCheckpoint& checkpoint, const RunConfig& config, const Task& task);
// Throws Error when what the model is made from (Task::model_hash) was another when the checkpoint was saved.
void check_same_model(const LoadedCheckpoint& checkpoint, const Task& task);

// Makes a run folder and holds it for this process alone, for as long as it lives; throws UsageError when
// another process has it.
class RunLock {
 public:
  explicit RunLock(const std::string& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  // Throws Error when the folder's name does not lead to the folder that was locked any more: somebody
  // removed, moved or replaced it, and what is written under its name would get lost, or into another's run.
  void check_held() const;

 private:
  std::string folder_;
  int descriptor_ = -1;
};

// What a checkpoint of the run holds: its files, which share the memory of the block's values and moments in
// CPU memory, and beside the tensors its state.
std::vector<TensorFile> checkpoint_files(const ParameterBlock& block, const Tensor& values,
                                         const OptimizerState& optimizer);
nlohmann::ordered_json checkpoint_state(const RunState& state, const RunConfig& config, const Task& task,
                                        int64_t optimizer_updates);

// Saves them as the run's newest checkpoint. Throws Error instead where a weight or moment is not finite: no
// checkpoint may hold what training cannot go on from.
SavedCheckpoint save_run(const std::string& folder, int64_t step, const std::vector<TensorFile>& files,
                         const nlohmann::ordered_json& state, const Retention& retention);

// The checkpoint's parameters into the block: every name and shape must agree; all that do not are in one
// Error.
void load_parameters(const LoadedCheckpoint& checkpoint, const ParameterBlock& parameters);
OptimizerState load_optimizer(const LoadedCheckpoint& checkpoint, const ParameterBlock& parameters);

// The newest good checkpoint; nothing for a run that has saved none. Throws Error when there is none left of
// those that were saved. Faults on the way are added to `warnings`.
std::optional<LoadedCheckpoint> newest_checkpoint(const std::string& folder,
                                                  std::vector<std::string>& warnings);

}  // namespace lf
