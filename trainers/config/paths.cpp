#include "trainers/config/paths.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
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

// Calls `use` with every key that names data and is given, and its path.
template <class Config, class F>
void for_each_data_path(Config& config, F&& use) {
  const auto given = [&](const char* key, auto& path) {
    if (path) use(key, *path);
  };
  use("data.path", config.data.path);
  auto& c = config.classification;
  given("classification.validation", c.validation.given);
  given("classification.test", c.test.given);
  given("classification.ground_truth", c.ground_truth.given);
  given("classification.split_file", c.split_file.given);
}

// Calls `change` with every path that is given, models' too; data.path may be a word instead.
template <class F>
void for_each_path(RunConfig& config, F&& change) {
  for_each_data_path(config, [&](std::string_view key, std::string& path) {
    if (key != "data.path" || path != "sample") change(path);
  });
  for (std::optional<std::string>* model : {&config.masked_lm.model, &config.classification.model}) {
    if (*model) change(**model);
  }
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
  std::vector<std::pair<std::string, std::string>> result;
  for_each_data_path(config,
                     [&](const char* key, const std::string& path) { result.emplace_back(key, path); });
  return result;
}

std::string data_words(const RunConfig& config) {
  std::string words;
  for (const auto& [key, path] : data_paths(config))
    words += text(words.empty() ? "" : " or ", key, ' ', path);
  return words;
}

}  // namespace lf
