#include "trainers/config/node.h"

#include <algorithm>
#include <utility>

namespace lf {

Node Node::list_of(std::vector<Node> nodes) {
  Node node;
  node.kind = NodeKind::list;
  node.items = std::move(nodes);
  return node;
}

Node Node::plain(std::string scalar) {
  Node node;
  node.kind = NodeKind::scalar;
  node.scalar = std::move(scalar);
  return node;
}

Node Node::text(std::string scalar) {
  Node node = plain(std::move(scalar));
  node.quoted = true;
  return node;
}

Node Node::map() {
  Node node;
  node.kind = NodeKind::map;
  return node;
}

Node* Node::find(const std::string& key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

const Node* Node::find(const std::string& key) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &found->value;
}

void Node::set(std::string key, Node value) {
  entries.push_back({std::move(key), value.place, std::move(value)});
}

std::string Node::words() const {
  constexpr size_t kLongest = 40;  // characters of a value that a message repeats
  switch (kind) {
    case NodeKind::nothing:
      return "nothing";
    case NodeKind::list:
      return "a list";
    case NodeKind::map:
      return "keys";
    case NodeKind::scalar:
      break;
  }
  const std::string shown = scalar.size() > kLongest ? scalar.substr(0, kLongest) + "..." : scalar;
  return quoted ? "the quoted text \"" + shown + "\"" : shown.empty() ? "nothing" : shown;
}

Place place_of(const Node& root, const std::string& path) {
  const Node* node = &root;
  Place place = root.place;
  for (const std::string& part : split_path(path)) {
    if (node->kind == NodeKind::list) {
      if (!is_position(part) || part.size() > 6 || std::stoul(part) >= node->items.size()) return place;
      node = &node->items[std::stoul(part)];
      place = node->place;
      continue;
    }
    const auto found = std::find_if(node->entries.begin(), node->entries.end(),
                                    [&](const Entry& entry) { return entry.key == part; });
    if (found == node->entries.end()) return place;
    place = found->place;
    node = &found->value;
  }
  return place;
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts{""};
  for (const char letter : path) {
    if (letter == '.') {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  return parts;
}

bool is_position(const std::string& part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace lf
