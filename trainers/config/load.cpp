#include "trainers/config/load.h"

#include <optional>

#include "trainers/config/config_tree.h"
#include "trainers/config/consistency.h"
#include "trainers/config/outline.h"
#include "trainers/config/paths.h"
#include "trainers/config/read_fields.h"

namespace lf {
namespace {

RunConfig from_tree(std::optional<Node>& root, const std::vector<std::string>& overrides,
                    Problems& problems) {
  if (!root) problems.throw_if_any();
  for (const std::string& setting : overrides) apply_override(*root, setting, problems);
  RunConfig config;
  FieldReader(key_paths(outline<RunConfig>()), problems).read(*root, config, "");
  check_consistency(config, *root, problems);
  problems.throw_if_any();
  return config;
}

}  // namespace

RunConfig load_run_config(const std::string& path, const std::vector<std::string>& overrides) {
  Problems problems;
  std::optional<Node> root = read_config_tree(path, problems);
  RunConfig config = from_tree(root, overrides, problems);
  find_paths(path, &*root, config);
  return config;
}

RunConfig parse_run_config(const std::string& yaml, const std::string& name,
                           const std::vector<std::string>& overrides) {
  Problems problems;
  std::optional<Node> root = parse_config_tree(yaml, name, problems);
  return from_tree(root, overrides, problems);
}

}  // namespace lf
