#include "data/characters/evaluation_windows.h"

#include <algorithm>

#include "core/check.h"

namespace lf {

std::vector<EvaluationWindow> evaluation_windows(int64_t count, int64_t length, int64_t step) {
  CHECK(count >= 2, "evaluation windows: a split of ", count, " token(s), needed at least 2 to predict one");
  CHECK(step >= 1 && step <= length, "evaluation windows: step ", step, " and length ", length,
        "; the step must be at least 1 and at most the length, or targets would be skipped");
  const int64_t num_targets = count - 1;
  std::vector<EvaluationWindow> windows;
  int64_t end = std::min(length, num_targets);
  windows.push_back({.begin = 0, .length = end, .score_from = 0});
  while (end < num_targets) {
    const int64_t scored = std::min(step, num_targets - end);
    end += scored;
    windows.push_back({.begin = end - length, .length = length, .score_from = length - scored});
  }
  return windows;
}

}  // namespace lf
