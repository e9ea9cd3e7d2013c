// The vocabulary of a section's field list: bounds of numbers, names of enumerations, values with a fallback.
// A section is a struct with `static void visit(auto& self, auto&& field)` that calls
// field(name, member, one-sentence description, bounds, for_tasks(...) or a FieldMark) for each member.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/choices.h"
#include "trainers/config/task_choice.h"

namespace lf {

// The numbers a field accepts; every number when nothing is given.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;   // low itself is refused
  bool high_open = false;  // high itself is refused

  bool holds(double value) const {
    return (low_open ? value > low : value >= low) && (high_open ? value < high : value <= high);
  }
};

inline Range at_least(double low) { return {.low = low}; }
inline Range above(double low) { return {.low = low, .low_open = true}; }
inline Range within(double low, double high) { return {.low = low, .high = high}; }
inline Range from_below(double low, double high) { return {.low = low, .high = high, .high_open = true}; }
inline Range between(double low, double high) {
  return {.low = low, .high = high, .low_open = true, .high_open = true};
}

// What others than its reader should know of a field. Paths are found beside the configuration and stored
// absolute; those of data may be given anew when a run is opened. What was learned may not change then.
enum class FieldMark { none, data_path, model_path, learned };

inline bool is_path(FieldMark mark) { return mark == FieldMark::data_path || mark == FieldMark::model_path; }

// What a field accepts, and for which tasks it says something; for all when none is named, and then those of
// its section.
struct FieldRules {
  Range range;
  std::vector<TaskChoice> tasks;
  FieldMark mark = FieldMark::none;

  FieldRules() = default;
  FieldRules(Range range_) : range(range_) {}   // NOLINT: most fields have bounds alone
  FieldRules(FieldMark mark_) : mark(mark_) {}  // NOLINT: or nothing but a mark
  FieldRules(std::vector<TaskChoice> tasks_, Range range_) : range(range_), tasks(std::move(tasks_)) {}
};

inline FieldRules for_tasks(std::vector<TaskChoice> tasks, Range range = {}) {
  return {std::move(tasks), range};
}

// One number for every layer, or one per layer from bottom to top.
struct PerLayer {
  std::vector<int64_t> values;

  bool operator==(const PerLayer&) const = default;
};

// A key that may be left out: then its value comes from elsewhere (the previous stage, the corpus), or else
// is the fallback.
template <class T>
struct Inherited {
  std::optional<T> given;
  T fallback{};

  T value() const { return given.value_or(fallback); }
  bool operator==(const Inherited&) const = default;
};

struct IgnoreFields {
  void operator()(auto&&...) const {}
};

template <class T>
concept Section = requires(T& section) {
  T::visit(section, IgnoreFields{});
};

// "model" and "layers" give "model.layers"; either may be empty.
inline std::string join_path(const std::string& parent, const std::string& key) {
  return parent.empty() || key.empty() ? parent + key : parent + "." + key;
}

}  // namespace lf
