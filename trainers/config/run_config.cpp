#include "trainers/config/run_config.h"

#include <map>
#include <utility>

#include "core/plan.h"
#include "trainers/config/keys_of_task.h"
#include "trainers/config/write_fields.h"

namespace lf {

namespace {

// Adds every scalar below the node under its path; a list of scalars counts as one.
void flatten(const Node& node, const std::string& path, std::map<std::string, std::string>& values) {
  for (const Entry& entry : node.entries) flatten(entry.value, join_path(path, entry.key), values);
  std::string scalars;
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (node.items[i].kind == NodeKind::scalar) {
      scalars += (i == 0 ? "" : ", ") + node.items[i].scalar;
    } else {
      flatten(node.items[i], join_path(path, std::to_string(i)), values);
    }
  }
  if (node.kind == NodeKind::scalar) values[path] = node.scalar;
  if (!scalars.empty()) values[path] = "[" + scalars + "]";
}

}  // namespace

Device device_of(const RunConfig& config) {
  if (Plan::current()) return Device::plan;
  return config.device;
}

DType compute_dtype(const RunConfig& config) {
  if (config.precision == PrecisionChoice::automatic)
    return config.device == Device::cuda ? DType::bf16 : DType::f32;
  return config.precision == PrecisionChoice::bf16 ? DType::bf16 : DType::f32;
}

std::string to_yaml(const RunConfig& config) { return yaml_text(own_keys(config)); }

std::vector<std::string> changed_keys(const RunConfig& before, const RunConfig& after) {
  std::map<std::string, std::string> old_values, new_values;
  flatten(own_keys(before), "", old_values);
  flatten(own_keys(after), "", new_values);
  std::map<std::string, std::pair<std::string, std::string>> both;
  for (const auto& [path, value] : old_values) both[path].first = value;
  for (const auto& [path, value] : new_values) both[path].second = value;
  const auto shown = [](const std::string& value) {
    return value.empty() ? std::string("not given") : value;
  };
  std::vector<std::string> changes;
  for (const auto& [path, values] : both) {
    if (values.first == values.second) continue;
    changes.push_back(path + ": " + shown(values.first) + " -> " + shown(values.second));
  }
  return changes;
}

}  // namespace lf
