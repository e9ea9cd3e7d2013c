// Names, pointers and renames; see checkpoint_folders.h.
#include "trainers/run/checkpoint_folders.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <functional>
#include <system_error>

#include "core/check.h"
#include "core/failpoint.h"
#include "core/files.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step-";
constexpr std::string_view kTemporaryPrefix = ".saving-", kRetiredPrefix = ".removed-";
constexpr size_t kStepDigits = 9;

void rename_path(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_file_error("rename to", to, errno);
}

// The names in a folder; none if it does not exist.
std::vector<std::string> names_in(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  if (error && error.value() != ENOENT) throw_file_error("read the folder", folder, error.value());
  return names;
}

// A link counts, also one that leads nowhere.
bool path_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

// Removes what stands there; of a link, the link alone: what it leads to may be all that is left of a
// checkpoint that somebody moved to another disk.
void remove_tree(const std::string& path) {
  std::error_code error;
  const bool is_folder = fs::is_directory(fs::symlink_status(path, error));
  for (const std::string& name : is_folder ? names_in(path) : std::vector<std::string>()) {
    reach_write("checkpoint.before_file_removal", path);
    fs::remove_all(path + "/" + name, error);
    if (error) throw_file_error("remove", path + "/" + name, error.value());
  }
  fs::remove(path, error);
  if (error) throw_file_error("remove", path, error.value());
}

}  // namespace

std::string checkpoints_folder(const std::string& run_folder) { return run_folder + "/checkpoints"; }

std::string checkpoint_name(int64_t step) {
  const std::string digits = std::to_string(step);
  return std::string(kStepPrefix) + std::string(kStepDigits - std::min(digits.size(), kStepDigits), '0') +
         digits;
}

std::string checkpoint_folder(const std::string& run_folder, int64_t step) {
  return checkpoints_folder(run_folder) + "/" + checkpoint_name(step);
}

std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kStepPrefix)) return {};
  int64_t step = 0;
  std::from_chars(name.data() + kStepPrefix.size(), name.data() + name.size(), step);
  // Anything spelt differently (signs, missing zeros, overflow) is not a name that was given here.
  if (step < 0 || checkpoint_name(step) != name) return {};
  return step;
}

std::vector<int64_t> checkpoint_steps(const std::string& run_folder) {
  const std::string folder = checkpoints_folder(run_folder);
  std::vector<int64_t> steps;
  for (const std::string& name : names_in(folder)) {
    const std::optional<int64_t> step = step_of(name);
    const std::string path = folder + "/" + name;
    std::error_code ignored;
    // A link that leads nowhere: what it led to may be on a disk that is away.
    const bool is_link = fs::is_symlink(fs::symlink_status(path, ignored));
    if (step && (is_link || fs::is_directory(path, ignored))) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end(), std::greater<>());
  return steps;
}

std::optional<int64_t> pointed_step(const std::string& run_folder, const char* pointer) {
  try {
    std::string name = read_file(run_folder + "/" + pointer);
    if (name.ends_with('\n')) name.pop_back();
    return step_of(name);
  } catch (const Error&) {
    return {};
  }
}

void point_to(const std::string& run_folder, const char* pointer, int64_t step) {
  write_file_atomically(run_folder + "/" + pointer, checkpoint_name(step) + "\n");
}

std::string temporary_folder(const std::string& run_folder, int64_t step) {
  return checkpoints_folder(run_folder) + "/" + std::string(kTemporaryPrefix) + checkpoint_name(step);
}

void publish_checkpoint(const std::string& run_folder, int64_t step) {
  const std::string from = temporary_folder(run_folder, step), to = checkpoint_folder(run_folder, step);
  const bool replaces = path_exists(to);
  reach_write("checkpoint.before_rename", to);
  if (replaces && ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
    // File systems that cannot exchange: between the two renames older checkpoints must do.
    if (errno != EINVAL && errno != ENOSYS) throw_file_error("replace", to, errno);
    retire_checkpoint(run_folder, step);
    rename_path(from, to);
  } else if (!replaces) {
    rename_path(from, to);
  }
  reach_write("checkpoint.after_rename", to);
  sync_folder(checkpoints_folder(run_folder));
}

void retire_checkpoint(const std::string& run_folder, int64_t step) {
  const std::string folder = checkpoints_folder(run_folder);
  std::string retired;
  int attempt = 0;
  do {
    retired = text(folder, "/", kRetiredPrefix, checkpoint_name(step), ".", attempt++);
  } while (path_exists(retired));
  rename_path(checkpoint_folder(run_folder, step), retired);
}

void restore_retired(const std::string& run_folder) {
  const std::optional<int64_t> step = pointed_step(run_folder, kLatest);
  if (!step || path_exists(checkpoint_folder(run_folder, *step))) return;
  const std::string folder = checkpoints_folder(run_folder);
  for (const std::string& name : names_in(folder)) {
    if (!name.starts_with(text(kRetiredPrefix, checkpoint_name(*step), "."))) continue;
    return rename_path(folder + "/" + name, checkpoint_folder(run_folder, *step));
  }
}

void remove_leftovers(const std::string& run_folder) {
  restore_retired(run_folder);
  const std::string folder = checkpoints_folder(run_folder);
  for (const std::string& name : names_in(folder)) {
    if (name.starts_with(kTemporaryPrefix) || name.starts_with(kRetiredPrefix)) {
      remove_tree(folder + "/" + name);
    }
  }
  // An interrupted point_to() leaves the file that was to become the pointer.
  for (const std::string& name : names_in(run_folder)) {
    if (!name.starts_with(text(kLatest, ".partial.")) && !name.starts_with(text(kBest, ".partial.")))
      continue;
    std::error_code error;
    fs::remove(run_folder + "/" + name, error);
    if (error) throw_file_error("remove", run_folder + "/" + name, error.value());
  }
}

}  // namespace lf
