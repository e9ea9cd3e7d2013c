#include "trainers/config/paths.h"

#include <filesystem>
#include <optional>
#include <string>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {
namespace {

void make_absolute(std::string& path) {
  if (path.empty()) return;
  const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  if (is_utf8(absolute)) path = absolute;  // YAML holds nothing else; then it stays as it was given
}
void make_absolute(std::optional<std::string>& path) {
  if (path) make_absolute(*path);
}

}  // namespace

void make_paths_absolute(RunConfig& config) {
  if (config.data.path != "sample") make_absolute(config.data.path);
  make_absolute(config.masked_lm.model);
  ClassificationSection& c = config.classification;
  make_absolute(c.model);
  make_absolute(c.validation.given);
  make_absolute(c.test.given);
  make_absolute(c.ground_truth.given);
  make_absolute(c.split_file.given);
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
