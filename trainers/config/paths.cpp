#include "trainers/config/paths.h"

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

void make_absolute(std::string& path) {
  if (path.empty()) return;
  const std::string absolute = fs::absolute(path).lexically_normal().string();
  if (is_utf8(absolute)) path = absolute;  // YAML holds nothing else; then it stays as it was given
}

// Calls `change` with every path that is given.
template <class F>
void for_each_path(RunConfig& config, F&& change) {
  const auto given = [&](std::optional<std::string>& path) {
    if (path) change(*path);
  };
  if (config.data.path != "sample") change(config.data.path);
  given(config.masked_lm.model);
  ClassificationSection& c = config.classification;
  given(c.model);
  given(c.validation.given);
  given(c.test.given);
  given(c.ground_truth.given);
  given(c.split_file.given);
}

}  // namespace

void make_paths_absolute(RunConfig& config) { for_each_path(config, make_absolute); }

void find_paths_beside(const std::string& file, RunConfig& config) {
  const fs::path folder = fs::path(file).parent_path();
  for_each_path(config, [&](std::string& path) {
    std::error_code error;
    if (path.empty() || fs::path(path).is_absolute() || fs::exists(path, error)) return;
    const fs::path beside = (folder / path).lexically_normal();
    if (fs::exists(beside, error)) path = beside.string();
  });
}

std::vector<std::pair<std::string, std::string>> data_paths(const RunConfig& config) {
  std::vector<std::pair<std::string, std::string>> result = {{"data.path", config.data.path}};
  const auto add = [&](const char* key, const std::optional<std::string>& path) {
    if (path) result.emplace_back(key, *path);
  };
  const ClassificationSection& c = config.classification;
  add("classification.validation", c.validation.given);
  add("classification.test", c.test.given);
  add("classification.ground_truth", c.ground_truth.given);
  add("classification.split_file", c.split_file.given);
  return result;
}

std::string data_words(const RunConfig& config) {
  std::string words;
  for (const auto& [key, path] : data_paths(config))
    words += text(words.empty() ? "" : " or ", key, ' ', path);
  return words;
}

}  // namespace lf
