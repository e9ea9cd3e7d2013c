// Saving: write aside, publish, point to it, then remove what is no longer kept; see checkpoint.h.
#include "trainers/run/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/failpoint.h"
#include "core/files.h"
#include "core/format.h"
#include "core/storage.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/checkpoint_manifest.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

void check_arguments(int64_t step, const std::vector<TensorFile>& files, const nlohmann::ordered_json& state,
                     const Retention& retention) {
  CHECK(step >= 0, "save_checkpoint: step ", step, " is negative");
  CHECK(retention.keep_last >= 1, "save_checkpoint: keep_last is ", retention.keep_last,
        ", needed at least 1");
  CHECK(state.is_object(), "save_checkpoint: the state must be an object");
  CHECK(!files.empty(), "save_checkpoint: no files given");
  std::set<std::string> names = {kManifestName};
  for (const TensorFile& file : files) {
    CHECK(is_plain_file_name(file.name), "save_checkpoint: '", file.name, "' is not the name of a file");
    CHECK(names.insert(file.name).second, "save_checkpoint: two files are called ", file.name);
  }
}

int64_t free_bytes(const std::string& folder) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error) throw_file_error("ask for the free space of", folder, error.value());
  // Some network file systems do not say how large they are.
  if (space.capacity == 0) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(space.available);
}

// Asked beforehand, so that a hopeless save does not fill the disk under everybody else.
void check_free_space(const std::string& folder, int64_t needed) {
  CHECK(free_bytes(folder) >= needed, "not enough space in ", folder, " (ENOSPC)");
}

// Writes all files of the checkpoint, durably; returns their bytes together.
int64_t write_contents(const std::string& folder, int64_t step, const std::vector<TensorFile>& files,
                       const nlohmann::ordered_json& state) {
  Manifest manifest = {step, {}, state};
  int64_t bytes = 0;
  for (const TensorFile& file : files) {
    const WrittenSafetensors written =
        write_safetensors(folder + "/" + file.name, file.tensors, {{"format", "pt"}});
    Manifest::File entry = {file.name, written.bytes, written.hash, {}};
    for (size_t i = 0; i < file.tensors.size(); ++i) {
      entry.tensors.push_back({file.tensors[i].name, written.tensor_hashes[i]});
    }
    manifest.files.push_back(std::move(entry));
    bytes += written.bytes;
  }
  const std::string path = folder + "/" + kManifestName;
  reach_write("checkpoint.before_manifest", path);
  const std::string content = manifest_text(manifest);
  write_file_atomically(path, content);
  reach_write("checkpoint.after_manifest", path);
  return bytes + static_cast<int64_t>(content.size());
}

// Undoes what a failed save has written, as far as the failing disk allows; the next save tries again.
void abandon(const std::string& run_folder, int64_t step, bool existed) {
  try {
    const std::vector<int64_t> steps = checkpoint_steps(run_folder);
    const bool published = std::find(steps.begin(), steps.end(), step) != steps.end();
    const bool named = pointed_step(run_folder, kLatest) == step || pointed_step(run_folder, kBest) == step;
    if (published && !existed && !named) retire_checkpoint(run_folder, step);
    remove_leftovers(run_folder);
  } catch (const Error&) {
    return;
  }
}

// The words of a failed save. The disk's free bytes are those after the half-written files are gone.
std::string failure(const std::string& run_folder, int64_t step, const std::string& reason, int64_t needed) {
  std::string result = text("checkpoint of step ", step, " not saved: ", reason, "; it needs ", needed,
                            " bytes (", format_bytes(needed), ")");
  try {
    const int64_t available = free_bytes(run_folder);
    result += text(", ", available, " (", format_bytes(available), ") are free in ", run_folder);
  } catch (const Error&) {
    result += text(" in ", run_folder);
  }
  const std::optional<std::string> latest = latest_checkpoint(run_folder);
  if (!latest) return result + "; there is no checkpoint yet";
  const bool is_this = pointed_step(run_folder, kLatest) == step;
  return result + (is_this ? "; it is there already, as " : "; the last good checkpoint is ") + *latest;
}

// Everything up to the moment when `latest` names the new checkpoint.
int64_t write_and_publish(const std::string& run_folder, int64_t step, const std::vector<TensorFile>& files,
                          const nlohmann::ordered_json& state, int64_t needed, bool is_best) {
  const std::string folder = checkpoints_folder(run_folder), temporary = temporary_folder(run_folder, step);
  if (create_folders(folder)) sync_folder(run_folder);
  remove_leftovers(run_folder);
  check_free_space(folder, needed);
  reach_write("checkpoint.before_folder", temporary);
  create_folders(temporary);
  const int64_t bytes = write_contents(temporary, step, files, state);
  publish_checkpoint(run_folder, step);
  // `best` first: should the program die in between, the run resumes from the older checkpoint and comes to
  // this one again, with the same bits.
  reach_write("checkpoint.before_best", run_folder);
  if (is_best) point_to(run_folder, kBest, step);
  reach_write("checkpoint.before_latest", run_folder);
  point_to(run_folder, kLatest, step);
  failpoint("checkpoint.after_latest");
  return bytes;
}

// The steps to keep after saving `newest`.
std::set<int64_t> kept_steps(const std::string& run_folder, int64_t newest, const Retention& retention) {
  std::set<int64_t> kept = {newest};
  if (const auto latest = pointed_step(run_folder, kLatest)) kept.insert(*latest);
  if (const auto best = pointed_step(run_folder, kBest); best && retention.keep_best) kept.insert(*best);
  int64_t left = retention.keep_last - 1;
  for (const int64_t step : checkpoint_steps(run_folder)) {
    if (step >= newest || left <= 0) continue;
    const std::string folder = checkpoint_folder(run_folder, step);
    std::error_code ignored;
    if (!fs::exists(folder + "/" + kManifestName, ignored)) continue;  // a wreck is not worth a place
    kept.insert(step);
    --left;
  }
  return kept;
}

void remove_old(const std::string& run_folder, int64_t newest, const Retention& retention) {
  const std::set<int64_t> kept = kept_steps(run_folder, newest, retention);
  bool changed = false;
  for (const int64_t step : checkpoint_steps(run_folder)) {
    if (kept.contains(step)) continue;
    reach_write("checkpoint.before_retiring", run_folder);
    retire_checkpoint(run_folder, step);
    changed = true;
  }
  if (changed) sync_folder(checkpoints_folder(run_folder));
  reach_write("checkpoint.before_removal", run_folder);
  remove_leftovers(run_folder);
}

}  // namespace

SavedCheckpoint save_checkpoint(const std::string& run_folder, int64_t step,
                                const std::vector<TensorFile>& files, const nlohmann::ordered_json& state,
                                const Retention& retention) {
  check_arguments(step, files, state, retention);
  int64_t needed = 0;
  for (const TensorFile& file : files) needed += safetensors_bytes(file.tensors, {{"format", "pt"}});
  SavedCheckpoint saved;
  saved.folder = checkpoint_folder(run_folder, step);
  std::error_code ignored;
  const bool existed = fs::exists(saved.folder, ignored);
  try {
    saved.bytes =
        write_and_publish(run_folder, step, files, state, needed, retention.is_best && retention.keep_best);
  } catch (const UsageError&) {
    throw;
  } catch (const std::exception& error) {
    abandon(run_folder, step, existed);
    throw Error(failure(run_folder, step, error.what(), needed));
  }
  try {
    remove_old(run_folder, step, retention);
  } catch (const std::exception& error) {
    saved.warnings.push_back(text("old checkpoints could not be removed: ", error.what()));
  }
  return saved;
}

const std::vector<const char*>& checkpoint_failpoints() {
  static const std::vector<const char*> names = {
      "checkpoint.before_folder",      "safetensors.before_tensor",  "safetensors.before_commit",
      "checkpoint.before_manifest",    "checkpoint.after_manifest",  "checkpoint.before_rename",
      "checkpoint.after_rename",       "checkpoint.before_best",     "checkpoint.before_latest",
      "checkpoint.after_latest",       "checkpoint.before_retiring", "checkpoint.before_removal",
      "checkpoint.before_file_removal"};
  return names;
}

}  // namespace lf
