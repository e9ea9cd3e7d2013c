#include "trainers/config/problems.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace lf {

namespace {

// Whether path is prefix or a key below it.
bool lies_below(const std::string& path, const std::string& prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '.');
}

}  // namespace

std::string Place::words() const { return line > 0 ? text(source, ":", line, ":", column) : source; }

bool Problems::wrong_at_or_above(const std::string& path) const {
  return std::any_of(problems_.begin(), problems_.end(), [&](const Problem& problem) {
    return !problem.path.empty() && lies_below(path, problem.path);
  });
}

bool Problems::wrong_around(const std::string& path) const {
  return std::any_of(problems_.begin(), problems_.end(), [&](const Problem& problem) {
    return !problem.path.empty() && (lies_below(problem.path, path) || lies_below(path, problem.path));
  });
}

void Problems::throw_if_any() const {
  if (problems_.empty()) return;
  std::map<std::string, size_t> ranks;  // files in the order in which they first failed, then overrides
  for (const Problem& problem : problems_) ranks.emplace(problem.place.source, ranks.size());
  std::vector<Problem> sorted = problems_;
  const auto key = [&](const Problem& problem) {
    return std::tuple(problem.place.line == 0, ranks[problem.place.source], problem.place.line,
                      problem.place.column);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Problem& a, const Problem& b) { return key(a) < key(b); });
  std::string message;
  for (const Problem& problem : sorted) {
    if (!message.empty()) message += "\n";
    message +=
        problem.place.words() + ": " + (problem.path.empty() ? "" : problem.path + ": ") + problem.message;
  }
  throw UsageError(message);
}

}  // namespace lf
