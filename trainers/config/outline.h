// What keys there are, as data: the field lists turned into a tree of names, types, defaults and
// descriptions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trainers/config/fields.h"
#include "trainers/config/node.h"
#include "trainers/config/write_fields.h"

namespace lf {

enum class KeyKind { whole, number, boolean, text, texts, choice, numbers, per_layer, section, section_list };

struct KeyInfo {
  std::string name, description;
  KeyKind kind = KeyKind::text;
  Range range;
  std::vector<TaskChoice> tasks;     // that it is for; empty: those of its section
  std::vector<std::string> choices;  // of a choice
  size_t count = 0;                  // of numbers
  bool required = false;             // has no default
  Node default_value;                // nothing for sections and required keys
  std::vector<KeyInfo> keys;         // of a section, or of the elements of a section list
};

// The paths of all keys below, such as model.width and stages.list.0.steps.
std::vector<std::string> key_paths(const std::vector<KeyInfo>& keys, const std::string& parent = "");

// " For task: char_lm, masked_lm."; empty for all.
std::string whom(const std::vector<TaskChoice>& tasks);

template <Section S>
std::vector<KeyInfo> outline();

template <class T>
struct KeyKindOf;
template <>
struct KeyKindOf<int64_t> {
  static constexpr KeyKind kKind = KeyKind::whole;
};
template <>
struct KeyKindOf<double> {
  static constexpr KeyKind kKind = KeyKind::number;
};
template <>
struct KeyKindOf<bool> {
  static constexpr KeyKind kKind = KeyKind::boolean;
};
template <>
struct KeyKindOf<std::string> {
  static constexpr KeyKind kKind = KeyKind::text;
};
template <>
struct KeyKindOf<std::vector<std::string>> {
  static constexpr KeyKind kKind = KeyKind::texts;
};
template <>
struct KeyKindOf<PerLayer> {
  static constexpr KeyKind kKind = KeyKind::per_layer;
};

template <class T>
void describe_value(KeyInfo& info, const T& value) {
  if constexpr (Section<T>) {
    info.kind = KeyKind::section;
    info.keys = outline<T>();
  } else {
    info.default_value = to_node(value);
    if constexpr (Choice<T>) {
      info.kind = KeyKind::choice;
      info.choices = names_of(value);
    } else {
      info.kind = KeyKindOf<T>::kKind;
    }
  }
}

template <size_t N>
void describe_value(KeyInfo& info, const std::array<double, N>& value) {
  info.kind = KeyKind::numbers;
  info.count = N;
  info.default_value = to_node(value);
}

template <Section S>
void describe_value(KeyInfo& info, const std::vector<S>&) {
  info.kind = KeyKind::section_list;
  info.keys = outline<S>();
}

template <class T>
void describe_value(KeyInfo& info, const std::optional<T>&) {
  describe_value(info, T{});
  info.default_value = Node{};
  info.required = true;
}

template <class T>
void describe_value(KeyInfo& info, const Inherited<T>& value) {
  describe_value(info, value.fallback);
}

// The keys of a section with the defaults of a fresh one.
template <Section S>
std::vector<KeyInfo> outline() {
  std::vector<KeyInfo> keys;
  const S defaults{};
  S::visit(defaults,
           [&](const char* name, const auto& member, const char* description, const FieldRules& rules = {}) {
             KeyInfo info;
             info.name = name;
             info.description = description + whom(rules.tasks);
             info.range = rules.range;
             info.tasks = rules.tasks;
             describe_value(info, member);
             keys.push_back(std::move(info));
           });
  return keys;
}

}  // namespace lf
