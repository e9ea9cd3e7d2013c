// Evaluation windows: how a split is covered so that every token is predicted exactly once, each (but those
// at the very start) with long context. The paper's protocol is length 32,256, step 512: score only the last
// 512 of each.
#pragma once

#include <cstdint>
#include <vector>

namespace lf {

// The paper's section 4.2: 63 steps of 512.
constexpr int64_t kPaperEvaluationLength = 32256;
constexpr int64_t kPaperEvaluationStep = 512;

// One forward pass: inputs are tokens [begin, begin + length), the target of input i is token begin + i + 1,
// and the targets of inputs score_from ... length - 1 count.
struct EvaluationWindow {
  int64_t begin = 0;
  int64_t length = 0;
  int64_t score_from = 0;

  bool operator==(const EvaluationWindow&) const = default;
};

// Windows over a split of `count` tokens. The first is scored whole; each later one moves on by `step` and
// scores its last `step` targets; the last moves only as far as the split reaches and scores fewer. A split
// shorter than `length` is one shorter window. Token 0 has nothing before it and no start symbol exists to
// predict it from, so count - 1 characters are scored in all. Throws Error for count < 2 or a step outside 1
// ... length.
std::vector<EvaluationWindow> evaluation_windows(int64_t count, int64_t length, int64_t step);

}  // namespace lf
