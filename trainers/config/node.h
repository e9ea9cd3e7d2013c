// A YAML document as a tree that remembers where each key and value was written.
#pragma once

#include <string>
#include <vector>

#include "trainers/config/problems.h"

namespace lf {

enum class NodeKind { nothing, scalar, list, map };

struct Entry;

struct Node {
  NodeKind kind = NodeKind::nothing;
  std::string scalar;          // of a scalar
  bool quoted = false;         // the scalar was written in quotes
  bool binary = false;         // the scalar was written as !!binary
  std::vector<Node> items;     // of a list
  std::vector<Entry> entries;  // of a map, in the order written
  Place place;                 // where the value starts

  static Node list_of(std::vector<Node> nodes);
  static Node plain(std::string scalar);
  static Node text(std::string scalar);
  static Node map();

  // The value of a key of a map; null when there is none.
  Node* find(const std::string& key);
  const Node* find(const std::string& key) const;

  // Adds a key to a map.
  void set(std::string key, Node value);

  // "12", the quoted text "12", "a list", "keys" or "nothing", for messages.
  std::string words() const;
};

struct Entry {
  std::string key;
  Place place;  // where the key starts
  Node value;
};

// Where the key at a path such as stages.list.0.windows was written, or else the nearest key above it.
Place place_of(const Node& root, const std::string& path);

// The parts of a path between its dots.
std::vector<std::string> split_path(const std::string& path);

// Whether a part of a path is the position of a list element: digits only.
bool is_position(const std::string& part);

}  // namespace lf
