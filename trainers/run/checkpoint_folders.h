// The names and places of checkpoints in a run folder, and changes to them that a crash cannot tear: a folder
// appears whole under its name, and disappears from its name before its files go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lf {

inline constexpr const char* kLatest = "latest";
inline constexpr const char* kBest = "best";

// RUN_FOLDER/checkpoints
std::string checkpoints_folder(const std::string& run_folder);

// "step-000000123": at least nine digits, so that names sort like steps.
std::string checkpoint_name(int64_t step);
// RUN_FOLDER/checkpoints/step-000000123
std::string checkpoint_folder(const std::string& run_folder, int64_t step);
// The step in such a name; nothing for any other text.
std::optional<int64_t> step_of(const std::string& name);

// Steps of the checkpoint folders, newest first.
std::vector<int64_t> checkpoint_steps(const std::string& run_folder);

// The step that the run folder's file `pointer` (kLatest or kBest) names; nothing when it is missing or holds
// anything else than a checkpoint's name.
std::optional<int64_t> pointed_step(const std::string& run_folder, const char* pointer);
void point_to(const std::string& run_folder, const char* pointer, int64_t step);

// A hidden name beside the checkpoints, for one that is being written.
std::string temporary_folder(const std::string& run_folder, int64_t step);

// Renames the durable temporary folder to its checkpoint's name. A checkpoint of that name changes places
// with it and then counts as a leftover.
void publish_checkpoint(const std::string& run_folder, int64_t step);

// Takes the checkpoint's name away; its files count as a leftover from then on.
void retire_checkpoint(const std::string& run_folder, int64_t step);

// Gives the checkpoint that `latest` names its name back, if it lost it to a replacement that was interrupted
// where the file system cannot exchange names (see publish_checkpoint).
void restore_retired(const std::string& run_folder);

// Deletes what saves and removals, also interrupted ones, have left behind under hidden names.
void remove_leftovers(const std::string& run_folder);

}  // namespace lf
