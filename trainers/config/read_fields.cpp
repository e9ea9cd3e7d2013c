#include "trainers/config/read_fields.h"

#include <algorithm>

#include "core/format.h"
#include "trainers/config/suggestion.h"

namespace lf {

std::string unknown_key_hint(const std::string& path, const std::vector<std::string>& siblings,
                             const std::vector<std::string>& all_keys) {
  const size_t dot = path.rfind('.');
  const std::string parent = dot == std::string::npos ? "" : path.substr(0, dot);
  const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
  const std::string sibling = nearest_word(name, siblings);
  if (!sibling.empty()) return "did you mean " + join_path(parent, sibling) + "?";
  const auto leaf = [](const std::string& key) { return key.substr(key.rfind('.') + 1); };
  std::vector<std::string> leaves;
  std::transform(all_keys.begin(), all_keys.end(), std::back_inserter(leaves), leaf);
  const std::string elsewhere = nearest_word(name, leaves);
  for (const std::string& key : all_keys) {
    if (!elsewhere.empty() && leaf(key) == elsewhere) return "did you mean " + key + "?";
  }
  return (parent.empty() ? "the sections and keys are " : "the keys of " + parent + " are ") +
         joined(siblings);
}

void FieldReader::refuse_unknown(const Node& node, const std::vector<std::string>& names,
                                 const std::string& path) {
  for (const Entry& entry : node.entries) {
    if (std::find(names.begin(), names.end(), entry.key) != names.end()) continue;
    const std::string key = join_path(path, entry.key);
    problems_.add(entry.place, key, "unknown key; ", unknown_key_hint(key, names, all_keys_));
  }
}

void FieldReader::read_value(const Node& node, const FieldRules& rules, std::vector<std::string>& member,
                             const std::string& path) {
  if (node.kind != NodeKind::list) {
    problems_.add(node.place, path, "expected a list of texts, found ", node.words());
    return;
  }
  member.assign(node.items.size(), "");
  for (size_t i = 0; i < member.size(); ++i)
    read_value(node.items[i], rules, member[i], join_path(path, std::to_string(i)));
}

void FieldReader::read_value(const Node& node, const FieldRules& rules, PerLayer& member,
                             const std::string& path) {
  member.values.clear();
  if (node.kind == NodeKind::list && !node.items.empty()) {
    for (const Node& item : node.items) {
      const std::string element = join_path(path, std::to_string(member.values.size()));
      read_value(item, rules, member.values.emplace_back(), element);
    }
    return;
  }
  int64_t value = 0;
  std::string trouble = read_scalar(node, rules, value);
  const bool is_number = node.kind == NodeKind::scalar;
  if (!is_number) trouble = "expected a whole number or a list of one per layer, found " + node.words();
  if (node.kind == NodeKind::list) trouble += " of nothing";
  note(node, path, trouble);
  member.values.push_back(value);
}

}  // namespace lf
