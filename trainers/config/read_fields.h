// Fills a section from a tree by its field list; everything that does not fit is noted with its place.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/format.h"
#include "trainers/config/fields.h"
#include "trainers/config/node.h"
#include "trainers/config/scalars.h"

namespace lf {

// "did you mean section.key?" for an unknown key: a near key of its own section, or a key of that name
// elsewhere; else the keys that the section has.
std::string unknown_key_hint(const std::string& path, const std::vector<std::string>& siblings,
                             const std::vector<std::string>& all_keys);

class FieldReader {
 public:
  // all_keys are the paths of every key there is, with list.0 for the elements of a list.
  FieldReader(std::vector<std::string> all_keys, Problems& problems)
      : all_keys_(std::move(all_keys)), problems_(problems) {}

  template <Section S>
  void read(const Node& node, S& section, const std::string& path) {
    if (node.kind == NodeKind::nothing) return;
    std::vector<std::string> names;
    S::visit(section, [&](const char* name, auto&&...) { names.emplace_back(name); });
    if (node.kind != NodeKind::map) {
      problems_.add(node.place, path, "expected keys (", joined(names), "), found ", node.words());
      return;
    }
    S::visit(section, [&](const char* name, auto& member, const char*, const FieldRules& rules = {}) {
      const Node* value = node.find(name);
      const std::string key = join_path(path, name);
      if (value && !problems_.wrong_at_or_above(key)) read_value(*value, rules, member, key);
    });
    refuse_unknown(node, names, path);
  }

 private:
  void refuse_unknown(const Node& node, const std::vector<std::string>& names, const std::string& path);

  void note(const Node& node, const std::string& path, const std::string& trouble) {
    if (!trouble.empty()) problems_.add(node.place, path, trouble);
  }

  template <class T>
  void read_value(const Node& node, const FieldRules& rules, T& member, const std::string& path) {
    if constexpr (Section<T>) {
      read(node, member, path);
    } else if constexpr (Choice<T>) {
      size_t position = static_cast<size_t>(member);
      note(node, path, read_choice(node, names_of(member), position));
      member = static_cast<T>(position);
    } else {
      note(node, path, read_scalar(node, rules, member));
    }
  }

  template <class T>
  void read_value(const Node& node, const FieldRules& rules, std::optional<T>& member,
                  const std::string& path) {
    T value{};
    read_value(node, rules, value, path);
    if (!problems_.wrong_around(path)) member = value;  // otherwise the rules that follow meet the default
  }

  template <class T>
  void read_value(const Node& node, const FieldRules& rules, Inherited<T>& member, const std::string& path) {
    if constexpr (std::is_same_v<T, std::string>) {
      // "" takes back what a file that this one includes gave.
      if (node.kind == NodeKind::scalar && node.quoted && node.scalar.empty()) return member.given.reset();
    }
    read_value(node, rules, member.given, path);
  }

  void read_value(const Node& node, const FieldRules& rules, PerLayer& member, const std::string& path);
  void read_value(const Node& node, const FieldRules& rules, std::vector<std::string>& member,
                  const std::string& path);

  template <class T, size_t N>
  void read_value(const Node& node, const FieldRules& rules, std::array<T, N>& member,
                  const std::string& path) {
    if (node.kind != NodeKind::list || node.items.size() != N) {
      const std::string found =
          node.kind == NodeKind::list ? std::to_string(node.items.size()) : node.words();
      problems_.add(node.place, path, "expected a list of ", N, " numbers, found ", found);
      return;
    }
    for (size_t i = 0; i < N; ++i) {
      read_value(node.items[i], rules, member[i], join_path(path, std::to_string(i)));
    }
  }

  template <Section S>
  void read_value(const Node& node, const FieldRules&, std::vector<S>& member, const std::string& path) {
    if (node.kind != NodeKind::list) {
      problems_.add(node.place, path, "expected a list (lines that begin with -), found ", node.words());
      return;
    }
    member.clear();
    for (const Node& item : node.items) {
      const std::string element = join_path(path, std::to_string(member.size()));
      read(item, member.emplace_back(), element);
    }
  }

  std::vector<std::string> all_keys_;
  Problems& problems_;
};

}  // namespace lf
