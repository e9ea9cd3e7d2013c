#include "trainers/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cstdlib>
#include <string_view>

#include <cerrno>
#include <filesystem>

#include "core/file_paths.h"
#include "core/files.h"
#include "core/messages.h"
#include "layers/finite.h"
#include "trainers/config/load.h"
#include "trainers/config/paths.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/corpora.h"
#include "trainers/tasks/make_task.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kLockName = "/.lock";
constexpr const char* kModelFolder = "/model";

// A run changes nothing outside its folder, so nothing that it writes into may lead out of it.
void check_no_link(const std::string& folder) {
  for (const char* name :
       {"checkpoints", "events", kRunLogName, kTimingLogName, kMessagesName, kLockName + 1}) {
    const std::string path = folder + "/" + name;
    CHECK(!is_link(path), path,
          " is a symbolic link, and a run changes nothing outside its folder: put what it leads to in its "
          "place, "
          "or keep the whole run there and name that folder with --out");
  }
}

// Everything that a checkpoint holds, fit to go on from.
void check_finite(const std::string& folder, int64_t step, const std::vector<NamedTensor>& tensors) {
  const std::vector<NotFinite> found = not_finite(tensors);
  if (found.empty()) return;
  const std::optional<std::string> latest = latest_checkpoint(folder);
  throw Error(text("step ", step, ": the run's state is not finite any more, so it is not saved: ",
                   list_of(found), "; ", latest ? text(*latest, " stays") : "there is no checkpoint yet",
                   ". Lower the learning rate, or clip gradients with optimizer.clip"));
}

// The block's parameters as named tensors that share the memory of `flat`: values, or a moment of them, in
// CPU memory.
std::vector<NamedTensor> named(const ParameterBlock& block, const Tensor& flat,
                               const std::string& prefix = "") {
  std::vector<NamedTensor> result;
  for (const PackedParameter& p : block.parameters)
    result.push_back({prefix + p.name, flat.window(p.offset, p.shape)});
  return result;
}

// Copies the file's tensors into the slices; every difference between the two lists is in one Error.
void load_named(const SafetensorsFile& file, const std::vector<NamedTensor>& wanted) {
  std::string problems;
  for (const NamedTensor& w : wanted) {
    if (!file.contains(w.name)) {
      problems += text("\n  missing: ", w.name, ' ', w.tensor.shape());
    } else if (file.info(w.name).shape != w.tensor.shape()) {
      problems +=
          text("\n  ", w.name, " is ", file.info(w.name).shape, ", the model needs ", w.tensor.shape());
    }
  }
  if (file.tensors().size() > wanted.size()) {
    problems += text("\n  ", file.tensors().size(), " tensors for a model of ", wanted.size());
  }
  CHECK(problems.empty(), file.path(), " does not fit the model:", problems);
  for (const NamedTensor& w : wanted) file.read_into(w.name, w.tensor);
}

std::vector<NamedTensor> moments(const ParameterBlock& parameters, const Tensor& first,
                                 const Tensor& second) {
  std::vector<NamedTensor> result = named(parameters, first, "first.");
  const std::vector<NamedTensor> more = named(parameters, second, "second.");
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

// Copies back what was read into `host`, unless that is the same memory.
void return_to(Tensor flat, const Tensor& host) {
  if (flat.device() != Device::cpu) flat.copy_from(host);
}

// Keys that may differ between a run and its resumption: they change neither weights nor logged results, but
// for the rounding of another device or of sums over slices. The corpus may have moved; check_same_run()
// knows it by its content.
bool may_change(const std::string& line, size_t stages) {
  // A run may go on with stages of its own behind those that it was planned with.
  constexpr std::string_view kStage = "stages.list.";
  if (line.starts_with(kStage) && line.find(": not given -> ") != line.npos &&
      std::strtoul(line.c_str() + kStage.size(), nullptr, 10) >= stages)
    return true;
  for (const char* prefix : {"checkpoint.", "data.path:", "device:", "log.tensorboard", "threads:",
                             "evaluation.batch_size", "validation.batch_size", "ranks.bucket_megabytes",
                             "ranks.sequence", "ranks.silence_seconds", "ranks.stuck_seconds"}) {
    if (line.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

// Lines of what changed and must not, each on a line of its own; empty when a resumed run stays the same run.
std::string forbidden_changes(RunConfig before, RunConfig after) {
  std::string changes;
  make_paths_absolute(before);  // earlier versions stored them as they were given
  make_paths_absolute(after);
  for (const std::string& line : changed_keys(before, after)) {
    if (!may_change(line, before.stages.list.size())) changes += "\n  " + line;
  }
  return changes;
}

// With what the configuration leaves to the machine decided.
RunConfig settled(RunConfig config) {
  if (config.precision == PrecisionChoice::automatic) {
    const bool narrow = compute_dtype(config) == DType::bf16;
    config.precision = narrow ? PrecisionChoice::bf16 : PrecisionChoice::f32;
  }
  config.data = written_out(config.data);
  return config;
}

}  // namespace

RunConfig run_folder_config(const std::string& folder) {
  const std::string path = folder + "/" + kConfigName;
  if (!fs::exists(folder)) throw UsageError(absence(folder));
  if (!is_there(path)) throw UsageError(folder + " is not a run folder: it has no " + kConfigName);
  return settled(load_run_config(path));
}

RunConfig settled_config(const RunConfig& config, const std::string& folder, bool resume) {
  const bool resumes = resume && fs::exists(folder + "/" + kConfigName);
  RunConfig result = config;
  if (config.precision == PrecisionChoice::automatic && resumes)
    result.precision = run_folder_config(folder).precision;
  settle_by_task(result);
  make_paths_absolute(result);
  return settled(result);
}

std::string checked_run_folder(const RunConfig& config, const std::string& folder, bool resume) {
  const std::string stored = folder + "/" + kConfigName;
  check_no_link(folder);
  if (!fs::exists(stored)) {
    CHECK(!fs::exists(folder + "/" + kRunLogName), folder, " holds a log but no ", kConfigName,
          ": not a run of Longform");
    return folder;
  }
  if (!resume) {
    throw UsageError(text(folder, " already holds a run; continue it with --resume or choose another --out"));
  }
  const RunConfig own = run_folder_config(folder);
  const std::string changes = forbidden_changes(own, config);
  if (!changes.empty()) {
    throw UsageError(text(
        "cannot resume ", folder, " with a changed configuration:", changes, "\nresume with the run's own ",
        stored, "; to train on, give it a further stage, such as --set stages.list.", own.stages.list.size(),
        "='{name: more, steps: 1000, ...}'; or start another run with --out"));
  }
  return folder;
}

void check_same_run(const LoadedCheckpoint& checkpoint, const RunConfig& config, const Task& task) {
  RunConfig saved = parse_run_config(checkpoint.state.at("config").get<std::string>(),
                                     checkpoint.folder + "'s configuration");
  const fs::path run = fs::path(checkpoint.folder).parent_path().parent_path();
  find_paths((run / kConfigName).string(), nullptr, saved);
  const std::string changes = forbidden_changes(saved, config);
  if (!changes.empty()) {
    throw UsageError(text("cannot continue ", checkpoint.folder,
                          ", which was saved with another configuration:", changes,
                          "\nundo the change, or start another run with --out"));
  }
  if (!has_data_of(checkpoint, task)) {
    throw UsageError(text("cannot continue ", checkpoint.folder, ": the content of ", data_words(config),
                          " is not what it was trained on; put the corpus back, name where it is with --set "
                          "data.path=..., or start another run with --out"));
  }
}

bool has_data_of(const LoadedCheckpoint& checkpoint, const Task& task) {
  return !checkpoint.state.contains("data") || checkpoint.state.at("data") == task.data_hash();
}

void check_same_vocabulary(const LoadedCheckpoint& checkpoint, const RunConfig& config, const Task& task) {
  if (!checkpoint.state.contains("vocabulary")) return;  // saved by an earlier version
  if (checkpoint.state.at("vocabulary") == task.vocabulary_hash()) return;
  throw UsageError(text("data.path ", config.data.path, " has other symbols than the corpus that ",
                        checkpoint.folder, " was trained on, so its model cannot read it"));
}

void check_same_model(const LoadedCheckpoint& checkpoint, const Task& task) {
  if (!checkpoint.state.contains("model") || checkpoint.state.at("model") == task.model_hash()) return;
  throw Error(text("config.json or the tokenizer in ", task.model_folder(), " has changed since ",
                   checkpoint.folder, " was saved; put it back"));
}

std::string start_run_folder(const RunConfig& config, const std::string& folder, bool resume) {
  checked_run_folder(config, folder, resume);
  if (!fs::exists(folder + "/" + kConfigName)) store_config(config, folder);
  return folder;
}

void store_config(const RunConfig& config, const std::string& folder) {
  const std::string stored = folder + "/" + kConfigName, yaml = to_yaml(config);
  if (!fs::exists(stored) || read_file(stored) != yaml) write_file_atomically(stored, yaml);
}

void store_model(const Task& task, const std::string& folder) {
  const std::string kept = folder + kModelFolder;
  if (!task.model_folder().empty() && !fs::exists(kept)) copy_model_description(task.model_folder(), kept);
}

void use_stored_model(RunConfig& config, const std::string& folder) {
  const std::string kept = folder + kModelFolder;
  if (fs::exists(kept)) use_model_folder(config, kept);
}

RunLock::RunLock(const std::string& folder) : folder_(folder) {
  create_folders(folder);
  const std::string path = folder + kLockName;
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) throw_file_error("open", path, errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  if (error == EWOULDBLOCK) {
    ::close(descriptor_);
    throw UsageError(text("another process is training in ", folder, "; two would damage each other's run"));
  }
  messages::warning(text(path, " cannot be locked: ", reason(error),
                         "; see to it that no other process trains in this folder"));
}

RunLock::~RunLock() { ::close(descriptor_); }

void RunLock::check_held() const {
  struct stat held = {}, there = {};
  const bool found = ::lstat((folder_ + kLockName).c_str(), &there) == 0;
  if (!found && errno != ENOENT && errno != ENOTDIR) throw_file_error("read", folder_ + kLockName, errno);
  if (::fstat(descriptor_, &held) != 0) throw_file_error("read", folder_ + kLockName, errno);
  CHECK(
      found || !fs::exists(folder_ + "/" + kConfigName), folder_, kLockName,
      " was removed while the run was training, so another could have started there; continue with --resume");
  CHECK(
      found && held.st_dev == there.st_dev && held.st_ino == there.st_ino, folder_,
      found ? " was replaced while the run in it was training"
            : " was removed or moved while the run in it was training",
      "; nothing is written there any more. What the run had saved is where its folder went: put it back and "
      "continue with --resume, or start again with another --out");
}

std::vector<TensorFile> checkpoint_files(const ParameterBlock& block, const Tensor& values,
                                         const OptimizerState& optimizer) {
  return {{kModelFile, named(block, values)},
          {kOptimizerFile, moments(block, optimizer.first, optimizer.second)}};
}

nlohmann::ordered_json checkpoint_state(const RunState& state, const RunConfig& config, const Task& task,
                                        int64_t optimizer_updates) {
  nlohmann::ordered_json json = {
      {"run", to_json(state)},    {"optimizer_updates", optimizer_updates}, {"config", to_yaml(config)},
      {"data", task.data_hash()}, {"vocabulary", task.vocabulary_hash()},   {"model", task.model_hash()}};
  if (const std::vector<uint8_t> alphabet = task.alphabet(); !alphabet.empty()) json["alphabet"] = alphabet;
  return json;
}

SavedCheckpoint save_run(const std::string& folder, int64_t step, const std::vector<TensorFile>& files,
                         const nlohmann::ordered_json& state, const Retention& retention) {
  for (const TensorFile& file : files) check_finite(folder, step, file.tensors);
  return save_checkpoint(folder, step, files, state, retention);
}

void load_parameters(const LoadedCheckpoint& checkpoint, const ParameterBlock& parameters) {
  const Tensor values = parameters.values.to(Device::cpu);
  load_named(checkpoint.file(kModelFile), named(parameters, values));
  return_to(parameters.values, values);
  parameters.changed();
}

OptimizerState load_optimizer(const LoadedCheckpoint& checkpoint, const ParameterBlock& parameters) {
  const Tensor first = Tensor::zeros(parameters.values.shape(), parameters.values.dtype()),
               second = Tensor::zeros_like(first);
  const std::vector<NamedTensor> both = moments(parameters, first, second);
  load_named(checkpoint.file(kOptimizerFile), both);
  const std::vector<NotFinite> found = not_finite(both);
  CHECK(found.empty(), checkpoint.folder,
        ": the moments in it are not finite, so training cannot go on from it: ", list_of(found),
        "; remove this checkpoint to continue from the one before");
  return {first, second, checkpoint.state.at("optimizer_updates").get<int64_t>()};
}

std::optional<LoadedCheckpoint> newest_checkpoint(const std::string& folder,
                                                  std::vector<std::string>& warnings) {
  if (checkpoint_folders(folder).empty()) {
    // Starting over here would cut the log of a run that had got somewhere.
    CHECK(!fs::exists(folder + "/" + kLatest), folder, "/", kLatest, " names a checkpoint, but ",
          checkpoints_folder(folder), " holds none; put them back, or start another run with --out");
    return std::nullopt;
  }
  return load_checkpoint(folder, warnings);
}

}  // namespace lf
