#include "trainers/config/load.h"

#include <optional>

#include "trainers/config/config_tree.h"
#include "trainers/config/consistency.h"
#include "trainers/config/outline.h"
#include "trainers/config/paths.h"
#include "trainers/config/read_fields.h"

namespace lf {
namespace {

RunConfig from_tree(std::optional<Node> root, const std::vector<std::string>& overrides, Problems& problems) {
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
  RunConfig config = from_tree(read_config_tree(path, problems), overrides, problems);
  find_paths_beside(path, config);
  return config;
}

RunConfig parse_run_config(const std::string& yaml, const std::string& name,
                           const std::vector<std::string>& overrides) {
  Problems problems;
  return from_tree(parse_config_tree(yaml, name, problems), overrides, problems);
}

}  // namespace lf
