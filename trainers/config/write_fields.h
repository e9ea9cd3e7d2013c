// A section as a tree by its field list, and trees as YAML and JSON text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/choices.h"
#include "trainers/config/fields.h"
#include "trainers/config/node.h"
#include "trainers/config/scalars.h"

namespace lf {

inline Node to_node(int64_t value) { return Node::plain(std::to_string(value)); }
inline Node to_node(double value) { return Node::plain(number_text(value)); }
inline Node to_node(bool value) { return Node::plain(value ? "true" : "false"); }
inline Node to_node(const std::string& value) { return Node::text(value); }

// One number for all layers is written as a number.
inline Node to_node(const PerLayer& value) {
  std::vector<Node> items;
  for (const int64_t layer : value.values) items.push_back(to_node(layer));
  return items.size() == 1 ? items.front() : Node::list_of(std::move(items));
}

inline Node to_node(const std::vector<std::string>& values) {
  std::vector<Node> items;
  for (const std::string& value : values) items.push_back(to_node(value));
  return Node::list_of(std::move(items));
}

template <Choice E>
Node to_node(E value) {
  return Node::text(choice_name(value));
}

template <class T, size_t N>
Node to_node(const std::array<T, N>& values) {
  std::vector<Node> items;
  for (const T& value : values) items.push_back(to_node(value));
  return Node::list_of(std::move(items));
}

template <Section S>
Node to_node(const S& section);

template <Section S>
Node to_node(const std::vector<S>& list) {
  std::vector<Node> items;
  for (const S& item : list) items.push_back(to_node(item));
  return Node::list_of(std::move(items));
}

template <class T>
void set_field(Node& map, const char* name, const T& value) {
  map.set(name, to_node(value));
}

template <class T>
void set_field(Node& map, const char* name, const std::optional<T>& value) {
  if (value) map.set(name, to_node(*value));
}

template <class T>
void set_field(Node& map, const char* name, const Inherited<T>& value) {
  set_field(map, name, value.given);
}

// Every key of the section but those that were left out to be inherited.
template <Section S>
Node to_node(const S& section) {
  Node map = Node::map();
  S::visit(section, [&](const char* name, const auto& member, auto&&...) { set_field(map, name, member); });
  return map;
}

// Block style, with lists of scalars on one line; text that YAML cannot hold is !!binary. The YAML reader
// reads it back as the same tree.
std::string yaml_text(const Node& root);

// Indented by two; quoted scalars are strings, others numbers, true or false.
std::string json_text(const Node& root);

}  // namespace lf
