#include "trainers/config/outline.h"

#include "core/choices.h"
#include "core/format.h"
#include "trainers/config/scalars.h"

namespace lf {

std::string whom(const std::vector<TaskChoice>& tasks) {
  if (tasks.empty()) return "";
  std::vector<std::string> names;
  for (const TaskChoice task : tasks) names.push_back(choice_name(task));
  return " For task: " + joined(names) + ".";
}

std::vector<std::string> key_paths(const std::vector<KeyInfo>& keys, const std::string& parent) {
  std::vector<std::string> paths;
  for (const KeyInfo& key : keys) {
    const std::string path = join_path(parent, key.name);
    paths.push_back(path);
    const std::string inner = key.kind == KeyKind::section_list ? join_path(path, "0") : path;
    const std::vector<std::string> below = key_paths(key.keys, inner);
    paths.insert(paths.end(), below.begin(), below.end());
  }
  return paths;
}

}  // namespace lf
