// Walks the marked fields of a section and of those within it.
#pragma once

#include <optional>
#include <string>
#include <type_traits>

#include "trainers/config/fields.h"

namespace lf {

namespace detail {

// A field's text where it is given; other types and what was left out have none.
template <class T>
auto given_text(T& member) {
  using Member = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Member, std::string>) {
    return &member;
  } else if constexpr (std::is_same_v<Member, std::optional<std::string>>) {
    return member ? &*member : nullptr;
  } else if constexpr (std::is_same_v<Member, Inherited<std::string>>) {
    return given_text(member.given);
  } else {
    return static_cast<std::string*>(nullptr);
  }
}

}  // namespace detail

// Calls use(key, member, mark) for every field that has a mark; `key` is its path, such as data.path.
template <Section S, class F>
void for_each_marked(S& section, F&& use, const std::string& parent = "") {
  S::visit(section, [&](const char* name, auto& member, const char*, const FieldRules& rules = {}) {
    const std::string key = join_path(parent, name);
    if constexpr (Section<std::remove_cvref_t<decltype(member)>>) {
      for_each_marked(member, use, key);
    } else if (rules.mark != FieldMark::none) {
      use(key, member, rules.mark);
    }
  });
}

// Calls use(key, path, mark) for every path that is given.
template <Section S, class F>
void for_each_path(S& section, F&& use) {
  for_each_marked(section, [&](const std::string& key, auto& member, FieldMark mark) {
    if (!is_path(mark)) return;
    if (auto* const path = detail::given_text(member)) use(key, *path, mark);
  });
}

}  // namespace lf
