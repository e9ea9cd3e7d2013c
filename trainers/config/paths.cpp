#include "trainers/config/paths.h"

#include <filesystem>
#include <optional>
#include <string>

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

}  // namespace lf
