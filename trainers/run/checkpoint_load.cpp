// Loading: verify every byte, name what is wrong, fall back to an older checkpoint; see checkpoint.h.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "core/hash.h"
#include "trainers/run/checkpoint.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/checkpoint_manifest.h"

namespace lf {
namespace {

// A folder's manifest, its files that are as they were saved, and what is wrong with the rest.
struct Examined {
  Manifest manifest;
  std::map<std::string, SafetensorsFile> files;
  std::vector<std::string> problems;
};

// Which part of a file of the right size is not what was saved.
std::string damaged_part(const std::string& path, const Manifest::File& entry) {
  const SafetensorsFile file(path);
  std::string damaged;
  for (const auto& [name, hash] : entry.tensors) {
    if (file.contains(name) && content_hash(file.bytes(name)) == hash) continue;
    damaged += (damaged.empty() ? "tensor " : ", ") + name;
  }
  return damaged.empty() ? "the header" : damaged;
}

// Throws Error unless the file is bit for bit the one that was saved.
SafetensorsFile verified_file(const std::string& path, const Manifest::File& entry) {
  const HashedFile found = content_hash_of_file(path);
  if (found.bytes < entry.bytes)
    static_cast<void>(MappedFile(path));  // says so where it is a Git LFS pointer
  CHECK(found.bytes == entry.bytes, path, " has ", found.bytes, " bytes, saved were ", entry.bytes,
        found.bytes < entry.bytes ? " (truncated)" : "");
  if (found.hash == entry.hash) return SafetensorsFile(path);
  std::string part;
  try {
    part = damaged_part(path, entry);
  } catch (const Error& error) {
    throw Error(text(path, " is damaged in its header: ", error.what()));
  }
  throw Error(text(path, " is damaged in ", part, ": the content does not have the hash that was saved"));
}

Examined examine(const std::string& folder) {
  Examined result;
  const std::string name = std::filesystem::path(folder).filename();
  try {
    const std::string path = folder + "/" + kManifestName;
    result.manifest = parse_manifest(read_text_file(path), path);
    CHECK(!step_of(name) || step_of(name) == result.manifest.step, folder, " holds the checkpoint of step ",
          result.manifest.step);
  } catch (const Error& error) {
    result.problems.push_back(error.what());
  }
  for (const Manifest::File& entry : result.manifest.files) {
    try {
      result.files.emplace(entry.name, verified_file(folder + "/" + entry.name, entry));
    } catch (const Error& error) {
      result.problems.push_back(error.what());
    }
  }
  return result;
}

std::string in_one_line(const std::vector<std::string>& problems) {
  std::string result;
  for (const std::string& problem : problems) result += (result.empty() ? "" : "; ") + problem;
  return result;
}

std::optional<std::string> pointed_folder(const std::string& run_folder, const char* pointer) {
  const std::optional<int64_t> step = pointed_step(run_folder, pointer);
  if (!step) return {};
  std::string folder = checkpoint_folder(run_folder, *step);
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) return {};
  return folder;
}

// A run that saves faster than its checkpoints can be read is not read for ever.
constexpr int kAttempts = 100;

// Which folder, or link that leads nowhere, has a checkpoint's name at this moment; (0, 0) for none.
std::pair<dev_t, ino_t> identity(const std::string& folder) {
  struct stat status = {};
  if (::stat(folder.c_str(), &status) != 0 && ::lstat(folder.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

// The steps of a run that may be training, newest first. A list can miss the checkpoint that was published
// while it was read and the one that was retired then, but not without `latest` having moved.
std::vector<int64_t> settled_steps(const std::string& run_folder) {
  for (int attempt = 1;; ++attempt) {
    const std::optional<int64_t> latest = pointed_step(run_folder, kLatest);
    std::vector<int64_t> steps = checkpoint_steps(run_folder);
    const bool settled = pointed_step(run_folder, kLatest) == latest;
    if (!steps.empty() || settled || attempt == kAttempts) return steps;
  }
}

// Steps in the order in which they are tried: the one that `latest` names, those before it, those after it,
// each newest first.
std::vector<int64_t> candidates(const std::string& run_folder, const std::optional<int64_t>& latest,
                                std::vector<std::string>& warnings) {
  std::vector<int64_t> steps = settled_steps(run_folder);
  CHECK(!steps.empty(), run_folder, " holds no checkpoint");
  if (!latest) {
    warnings.push_back(text(run_folder, "/", kLatest, " is missing or does not name a checkpoint"));
    return steps;
  }
  std::vector<int64_t> order = {*latest};
  for (const int64_t step : steps) {
    if (step < *latest) order.push_back(step);
  }
  for (const int64_t step : steps) {
    if (step > *latest) order.push_back(step);
  }
  return order;
}

}  // namespace

const SafetensorsFile& LoadedCheckpoint::file(const std::string& name) const {
  const auto found = files.find(name);
  CHECK(found != files.end(), folder, ": the checkpoint has no file ", name);
  return found->second;
}

LoadedCheckpoint open_checkpoint(const std::string& folder) {
  Examined examined = examine(folder);
  if (!examined.problems.empty()) throw Error(in_one_line(examined.problems));
  return {folder, examined.manifest.step, std::move(examined.manifest.state), std::move(examined.files)};
}

LoadedCheckpoint load_checkpoint(const std::string& run_folder, std::vector<std::string>& warnings) {
  for (int attempt = 1;; ++attempt) {
    std::vector<std::string> problems;
    bool overtaken = false;
    const std::optional<int64_t> latest = pointed_step(run_folder, kLatest);
    for (const int64_t step : candidates(run_folder, latest, problems)) {
      const std::string folder = checkpoint_folder(run_folder, step);
      const auto before = identity(folder);
      try {
        LoadedCheckpoint loaded = open_checkpoint(folder);
        if (!problems.empty()) problems.push_back("using " + folder + " instead");
        warnings.insert(warnings.end(), problems.begin(), problems.end());
        return loaded;
      } catch (const Error& error) {
        problems.push_back(error.what());
        const bool changed = identity(folder) != before || pointed_step(run_folder, kLatest) != latest;
        overtaken = changed && attempt < kAttempts;
        if (overtaken) break;
      }
    }
    CHECK(overtaken, run_folder, ": no checkpoint is whole: ", in_one_line(problems));
  }
}

std::optional<LoadedCheckpoint> load_best_checkpoint(const std::string& run_folder) {
  for (int attempt = 1;; ++attempt) {
    const std::optional<int64_t> step = pointed_step(run_folder, kBest);
    if (!step) return {};
    const std::string folder = checkpoint_folder(run_folder, *step);
    const auto before = identity(folder);
    const auto changed = [&] {
      return identity(folder) != before || pointed_step(run_folder, kBest) != step;
    };
    if (before.second == 0 && !changed())
      throw Error(text(run_folder, "/", kBest, " names ", folder, ", which is not there"));
    try {
      return open_checkpoint(folder);
    } catch (const Error&) {
      if (!changed() || attempt == kAttempts) throw;
    }
  }
}

namespace {

// The report of a checkpoint of a run that may be training; nothing for one that was retired meanwhile.
std::optional<CheckpointReport> inspect_live(const std::string& folder) {
  for (int attempt = 1;; ++attempt) {
    const auto before = identity(folder);
    CheckpointReport report = inspect_checkpoint(folder);
    const auto after = identity(folder);
    if (report.problems.empty()) return report;
    if (after.second == 0) return {};
    if (after == before || attempt == kAttempts) return report;
  }
}

}  // namespace

std::vector<CheckpointReport> inspect_checkpoints(const std::string& run_folder) {
  std::vector<CheckpointReport> reports;
  for (const int64_t step : settled_steps(run_folder)) {
    if (auto report = inspect_live(checkpoint_folder(run_folder, step)))
      reports.push_back(std::move(*report));
  }
  // Those above may all be gone by now, but never the newest.
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    const std::optional<std::string> latest = latest_checkpoint(run_folder);
    const auto is_latest = [&](const CheckpointReport& report) { return report.folder == *latest; };
    if (!latest || std::any_of(reports.begin(), reports.end(), is_latest)) break;
    if (auto report = inspect_live(*latest)) reports.insert(reports.begin(), std::move(*report));
  }
  return reports;
}

std::vector<std::string> checkpoint_folders(const std::string& run_folder) {
  std::vector<std::string> folders;
  for (const int64_t step : settled_steps(run_folder)) {
    folders.push_back(checkpoint_folder(run_folder, step));
  }
  return folders;
}

std::optional<std::string> latest_checkpoint(const std::string& run_folder) {
  return pointed_folder(run_folder, kLatest);
}

std::optional<std::string> best_checkpoint(const std::string& run_folder) {
  return pointed_folder(run_folder, kBest);
}

std::vector<std::string> lost_checkpoints(const std::string& run_folder) {
  std::vector<std::string> problems;
  for (const char* pointer : {kLatest, kBest}) {
    for (int attempt = 1; attempt <= kAttempts; ++attempt) {
      const std::optional<int64_t> step = pointed_step(run_folder, pointer);
      if (!step || identity(checkpoint_folder(run_folder, *step)).second != 0) break;
      if (pointed_step(run_folder, pointer) != step) continue;  // it has just moved on
      problems.push_back(
          text(run_folder, "/", pointer, " names ", checkpoint_name(*step), ", which is not there"));
      break;
    }
  }
  return problems;
}

CheckpointReport inspect_checkpoint(const std::string& folder) {
  Examined examined = examine(folder);
  CheckpointReport report = {
      folder, examined.manifest.step, {}, std::move(examined.manifest.state), std::move(examined.problems)};
  for (const Manifest::File& entry : examined.manifest.files) {
    report.files.push_back({entry.name, entry.bytes, entry.hash, {}, {}});
    if (const auto file = examined.files.find(entry.name); file != examined.files.end()) {
      report.files.back().metadata = file->second.metadata();
      report.files.back().tensors = file->second.tensors();
    }
  }
  return report;
}

}  // namespace lf
