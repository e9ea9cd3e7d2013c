// Checkpoints: folders `checkpoints/step-000000123` of a run, holding safetensors files and `manifest.json`
// (every counter of the run, size and hash of every file). They are written aside, made durable and renamed;
// the files `best` and then `latest` in the run folder, which hold the name of a checkpoint, are replaced
// last. So whenever the program dies, the run folder holds the old state or the new one, whole.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/weights/safetensors.h"

namespace lf {

// One safetensors file of a checkpoint, say "model.safetensors".
struct TensorFile {
  std::string name;
  std::vector<NamedTensor> tensors;
};

// Which checkpoints stay after a save: always the one `latest` names, and
struct Retention {
  int64_t keep_last = 2;  // the newest ones, at least one
  bool keep_best = true;  // the one `best` names
  bool is_best = false;   // the one being saved is the best so far: `best` shall name it
};

struct SavedCheckpoint {
  std::string folder;
  int64_t bytes = 0;                  // of all its files
  std::vector<std::string> warnings;  // old checkpoints that could not be removed
};

// Saves the tensors and the state of a run after `step` updates; on return both survive a power cut. `state`
// is any JSON object; its numbers, also those that are not finite, read back to the same bits. Checkpoints of
// later steps are removed: they belong to a future that this run, resumed from before them, has left.
// On an Error (full disk, no rights) nothing that was there before has changed and nothing half-written
// stays; it names the path, what happened, and the bytes needed and free. One process per run folder.
SavedCheckpoint save_checkpoint(const std::string& run_folder, int64_t step,
                                const std::vector<TensorFile>& files, const nlohmann::ordered_json& state,
                                const Retention& retention = {});

// A checkpoint that was read and found whole.
struct LoadedCheckpoint {
  std::string folder;
  int64_t step = 0;
  nlohmann::ordered_json state;
  std::map<std::string, SafetensorsFile> files;

  // Throws Error when the checkpoint has no such file.
  const SafetensorsFile& file(const std::string& name) const;
  Tensor read(const std::string& file_name, const std::string& tensor) const {
    return file(file_name).read(tensor);
  }
};

// The run may be training: what is replaced or retired while it is read does not count as damaged, by any of
// these.
//
// The newest good checkpoint of a run: the one `latest` names or, when that is missing or damaged, the newest
// good one before it, then the newest good one of all. Each fault on the way, with file and tensor, is added
// to `warnings`; an Error lists them when no checkpoint is good.
LoadedCheckpoint load_checkpoint(const std::string& run_folder, std::vector<std::string>& warnings);

// The checkpoint that the run's `best` names; nothing when there is no `best`.
std::optional<LoadedCheckpoint> load_best_checkpoint(const std::string& run_folder);

// The checkpoint in this folder; an Error lists everything that is wrong with it.
LoadedCheckpoint open_checkpoint(const std::string& folder);

// The folders of a run's checkpoints, newest first, good or not; empty for a run that has saved none.
std::vector<std::string> checkpoint_folders(const std::string& run_folder);

// The folder that the run's `latest` or `best` names; nothing when there is no such file, or it is damaged,
// or the folder is gone.
std::optional<std::string> latest_checkpoint(const std::string& run_folder);
std::optional<std::string> best_checkpoint(const std::string& run_folder);

// What is wrong with `latest` and `best`: they name a checkpoint that is not there.
std::vector<std::string> lost_checkpoints(const std::string& run_folder);

// What a checkpoint folder holds and everything that is wrong with it.
struct CheckpointReport {
  struct File {
    std::string name;
    int64_t bytes = 0;
    std::string hash;  // XXH3-128, as the manifest has it
    SafetensorsMetadata metadata;
    std::vector<TensorInfo> tensors;  // empty when the file is damaged
  };
  std::string folder;
  int64_t step = 0;
  std::vector<File> files;
  nlohmann::ordered_json state;
  std::vector<std::string> problems;  // empty: every size and hash is right
};

// Verifies every byte; throws nothing about damage, it is in the report.
CheckpointReport inspect_checkpoint(const std::string& folder);

// The same of every checkpoint of a run, newest first.
std::vector<CheckpointReport> inspect_checkpoints(const std::string& run_folder);

// The failpoints (core/failpoint.h) that a save with retention passes, so that tests can try them all.
const std::vector<const char*>& checkpoint_failpoints();

}  // namespace lf
