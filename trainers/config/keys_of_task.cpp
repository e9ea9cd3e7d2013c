#include "trainers/config/keys_of_task.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "trainers/config/outline.h"
#include "trainers/config/write_fields.h"

namespace lf {
namespace {

bool includes(const std::vector<TaskChoice>& tasks, TaskChoice task) {
  return tasks.empty() || std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

// Walks the values of a tree with what is known of their keys. `owners` are the tasks of the sections around,
// or empty.
class Finder {
 public:
  explicit Finder(TaskChoice task) : task_(task) {}

  void look(const std::vector<KeyInfo>& keys, const Node& section, const std::string& path,
            const std::vector<TaskChoice>& owners) {
    for (const KeyInfo& key : keys) {
      const Node* value = section.find(key.name);
      if (!value) continue;
      const std::vector<TaskChoice>& tasks = key.tasks.empty() ? owners : key.tasks;
      const std::string place = join_path(path, key.name);
      if (key.kind == KeyKind::section) {
        look(key.keys, *value, place, tasks);
      } else if (key.kind == KeyKind::section_list) {
        for (size_t i = 0; i < value->items.size(); ++i)
          look(key.keys, value->items[i], join_path(place, std::to_string(i)), tasks);
      } else if (!includes(tasks, task_) && yaml_text(*value) != yaml_text(key.default_value)) {
        found.push_back({place, tasks});
      }
    }
  }

  std::vector<ForeignKey> found;

 private:
  TaskChoice task_;
};

void remove_foreign(const std::vector<KeyInfo>& keys, Node& section, TaskChoice task) {
  for (const KeyInfo& key : keys) {
    if (!includes(key.tasks, task)) {
      std::erase_if(section.entries, [&](const Entry& entry) { return entry.key == key.name; });
      continue;
    }
    Node* value = section.find(key.name);
    if (!value) continue;
    if (key.kind == KeyKind::section) remove_foreign(key.keys, *value, task);
    if (key.kind == KeyKind::section_list)
      for (Node& item : value->items) remove_foreign(key.keys, item, task);
  }
}

bool is_index(const std::string& part) { return std::all_of(part.begin(), part.end(), ::isdigit); }

}  // namespace

bool is_for(TaskChoice task, const std::string& path) {
  std::vector<KeyInfo> keys = outline<RunConfig>();
  for (const std::string& part : split_path(path)) {
    if (is_index(part)) continue;  // of a list
    const auto found =
        std::find_if(keys.begin(), keys.end(), [&](const KeyInfo& key) { return key.name == part; });
    CHECK(found != keys.end(), "there is no key ", path);
    if (!includes(found->tasks, task)) return false;
    keys = std::vector<KeyInfo>(found->keys);
  }
  return true;
}

std::vector<ForeignKey> foreign_keys(const RunConfig& config) {
  Finder finder(config.task);
  finder.look(outline<RunConfig>(), to_node(config), "", {});
  return std::move(finder.found);
}

std::vector<MissingKey> missing_keys(const RunConfig& config) {
  std::vector<MissingKey> missing;
  const Node root = to_node(config);
  for (const KeyInfo& section : outline<RunConfig>()) {
    if (section.kind != KeyKind::section || section.tasks.empty() || !includes(section.tasks, config.task))
      continue;
    for (const KeyInfo& key : section.keys) {
      if (key.required && !root.find(section.name)->find(key.name))
        missing.push_back({join_path(section.name, key.name), key.description});
    }
  }
  return missing;
}

Node own_keys(const RunConfig& config) {
  Node root = to_node(config);
  remove_foreign(outline<RunConfig>(), root, config.task);
  return root;
}

}  // namespace lf
