// The window attention kernels against the triple-loop oracle, over the shapes that break such kernels.
#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "tests/core/kernels/attention/window_attention_problem.h"
#include "tests/testing.h"

namespace lf::window_attention_tests {
namespace {

template <class Element>
void expect_equals_oracle(const Case& c) {
  const double tolerance = tolerance_of(DTypeOf<Element>::value, Compared::attention);
  SCOPED_TRACE(c.name);
  const Problem problem(c);
  const auto actual = run<Element>(problem);
  const auto& [expected, gradients] = oracle::expected_once(c.name, [&problem] {
    return oracle::Expected{oracle::oracle_window_forward(problem.shape, problem.inputs),
                            oracle::oracle_window_backward(problem.shape, problem.inputs, problem.dcontext)};
  });
  const int64_t width = c.H * c.K;
  EXPECT_LT(relative_error(actual.context, expected.context), tolerance);
  EXPECT_LT(relative_error(actual.lse, expected.lse), tolerance);
  EXPECT_LT(relative_error(part_of(actual.dqkv, 0, width), gradients.dq), 2 * tolerance);
  EXPECT_LT(relative_error(part_of(actual.dqkv, 1, width), gradients.dk), 2 * tolerance);
  EXPECT_LT(relative_error(part_of(actual.dqkv, 2, width), gradients.dv), 2 * tolerance);
  EXPECT_LT(relative_error(actual.du, gradients.du), 2 * tolerance);
  EXPECT_LT(relative_error(actual.dv_bias, gradients.dv_bias), 2 * tolerance);
  EXPECT_LT(relative_error(actual.dr, gradients.dr), 2 * tolerance);
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"one token", 1, 1, 1, 4, 3, 3},
      {"no window", 2, 9, 2, 8, 0, 0},
      {"shorter than the window", 2, 7, 2, 16, 20, 20},
      {"window far beyond T", 1, 33, 1, 8, int64_t{1} << 40, int64_t{1} << 40},
      {"symmetric", 2, 70, 2, 64, 8, 8},
      {"causal", 2, 131, 2, 64, 32, 0},
      {"anticausal", 1, 67, 1, 16, 0, 9},
      {"uneven sides", 1, 150, 2, 24, 17, 5},
      {"wider than a block", 1, 330, 1, 32, 100, 100},
      {"many segments", 1, 2500, 1, 8, 3, 2},
      {"odd head width", 2, 45, 3, 7, 6, 6},
      {"head width 80", 1, 90, 2, 80, 20, 20},
      {"dilations", 2, 101, 4, 16, 5, 5, {1, 2, 3, 8}},
      {"dilation beyond T", 1, 5, 2, 8, 2, 2, {8, 100}},
      {"causal dilations", 1, 140, 4, 16, 9, 0, {1, 2, 3, 8}},
      {"ragged", 3, 65, 2, 16, 9, 9, {}, Mask::ragged},
      {"holes", 2, 77, 2, 16, 2, 2, {}, Mask::holes},
      {"nothing valid", 2, 40, 2, 16, 4, 4, {}, Mask::empty_row},
      {"holes, dilated", 2, 90, 3, 8, 4, 1, {1, 3, 8}, Mask::holes},
      {"one global", 2, 64, 2, 16, 5, 5, {}, Mask::none, Globals::one},
      {"globals in some rows", 3, 80, 2, 16, 3, 3, {}, Mask::none, Globals::few},
      {"64 and 65 globals", 2, 200, 1, 16, 6, 6, {}, Mask::none, Globals::many},
      {"all global", 1, 40, 2, 16, 4, 4, {}, Mask::none, Globals::all},
      {"globals and holes", 3, 90, 2, 16, 4, 4, {}, Mask::holes, Globals::few},
      {"globals, ragged, dilated", 3, 100, 3, 16, 6, 6, {1, 2, 5}, Mask::ragged, Globals::few},
      {"relative causal", 2, 100, 2, 64, 32, 0, {}, Mask::none, Globals::none, true},
      {"relative symmetric", 2, 75, 2, 16, 7, 7, {}, Mask::none, Globals::none, true},
      {"relative beyond T", 1, 20, 2, 8, 50, 50, {}, Mask::none, Globals::none, true},
      {"relative, dilated", 2, 120, 4, 16, 9, 3, {1, 2, 3, 8}, Mask::none, Globals::none, true},
      {"relative, segments", 2, 1400, 1, 8, 12, 0, {}, Mask::none, Globals::none, true},
      {"everything", 3, 110, 3, 24, 9, 6, {1, 2, 5}, Mask::holes, Globals::few, true, 0.3},
      {"dropout", 2, 83, 2, 16, 9, 9, {}, Mask::none, Globals::none, false, 0.25},
      {"dropout, dilated", 2, 90, 3, 16, 7, 2, {1, 2, 3}, Mask::none, Globals::few, false, 0.5},
      {"queries in the middle", 2, 90, 2, 16, 9, 4, {}, Mask::ragged, Globals::few, true, 0.1, 20, 61},
      {"no queries", 1, 30, 1, 8, 3, 3, {}, Mask::none, Globals::none, false, 0, 10, 10},
      {"lengths", 0, 0, 2, 16, 5, 5, {}, Mask::none, Globals::none, false, 0, 0, -1, {1, 90, 33, 0, 2, 64}},
      {"lengths, causal, dilated",
       0,
       0,
       3,
       16,
       9,
       0,
       {1, 3, 8},
       Mask::none,
       Globals::none,
       false,
       0,
       0,
       -1,
       {70, 5, 131}},
      {"lengths, segments",
       0,
       0,
       1,
       8,
       3,
       2,
       {},
       Mask::none,
       Globals::few,
       false,
       0,
       0,
       -1,
       {1300, 20, 2100}},
      {"lengths, globals and holes",
       0,
       0,
       2,
       16,
       4,
       4,
       {},
       Mask::holes,
       Globals::few,
       false,
       0,
       0,
       -1,
       {40, 90, 3}},
      {"lengths, relative",
       0,
       0,
       2,
       16,
       9,
       3,
       {1, 2},
       Mask::none,
       Globals::none,
       true,
       0,
       0,
       -1,
       {7, 100, 31}},
      {"lengths, everything",
       0,
       0,
       3,
       24,
       9,
       6,
       {1, 2, 5},
       Mask::holes,
       Globals::few,
       true,
       0.3,
       0,
       -1,
       {1, 60, 110, 9}},
  };
  return all;
}

TEST(WindowAttention, float64EqualsOracle) {
  for (const Case& c : cases()) expect_equals_oracle<double>(c);
}
TEST(WindowAttention, float32EqualsOracle) {
  for (const Case& c : cases()) expect_equals_oracle<float>(c);
}
TEST(WindowAttention, bfloat16EqualsOracle) {
  for (const Case& c : cases()) expect_equals_oracle<bf16>(c);
}

TEST(WindowAttention, everyInstructionSetEqualsOracle) {
  const int64_t targets = hwy::SupportedTargets();
  for (int64_t target = targets & -targets, rest = targets; rest != 0;
       rest &= rest - 1, target = rest & -rest) {
    SCOPED_TRACE(hwy::TargetName(target));
    // What a machine without anything better than this target has: better targets are lower bits.
    const int64_t machine = targets & -target;
    hwy::SetSupportedTargetsForTest(machine);
    hwy::GetChosenTarget().Update(machine);
    for (const Case& c : cases()) expect_equals_oracle<float>(c);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(WindowAttention, bitsDoNotDependOnThreadsOrRepetition) {
  const int threads = omp_get_max_threads();
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Problem problem(c);
    omp_set_num_threads(1);
    const auto one = run<float>(problem);
    for (const int count : {2, 3, 2}) {
      omp_set_num_threads(count);
      EXPECT_TRUE(run<float>(problem) == one);
    }
  }
  omp_set_num_threads(threads);
}

// Every gradient of <dcontext, context> by central differences of the oracle's forward.
TEST(WindowAttention, oracleGradientsEqualFiniteDifferences) {
  const std::vector<Case> small = {
      {"small, everything", 2, 11, 2, 3, 3, 2, {1, 2}, Mask::holes, Globals::few, true, 0.3},
      {"small causal", 1, 9, 2, 4, 3, 0, {}, Mask::none, Globals::none, true},
  };
  for (const Case& c : small) {
    SCOPED_TRACE(c.name);
    Problem problem(c);
    const auto objective = [&] {
      const auto context = oracle::oracle_window_forward(problem.shape, problem.inputs).context;
      double sum = 0;
      for (size_t i = 0; i < context.size(); ++i) sum += context[i] * problem.dcontext[i];
      return sum;
    };
    const auto analytic = oracle::oracle_window_backward(problem.shape, problem.inputs, problem.dcontext);
    const auto check = [&](std::vector<double>& values, const std::vector<double>& gradient,
                           const char* name) {
      double largest = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        const double value = values[i], h = 1e-5;
        values[i] = value + h;
        const double above = objective();
        values[i] = value - h;
        const double below = objective();
        values[i] = value;
        EXPECT_NEAR((above - below) / (2 * h), gradient[i], 1e-8) << name << " " << i;
        largest = std::max(largest, std::abs(gradient[i]));
      }
      EXPECT_GT(largest, 1e-3) << name << ": the case is vacuous";
    };
    check(problem.inputs.q, analytic.dq, "q");
    check(problem.inputs.k, analytic.dk, "k");
    check(problem.inputs.v, analytic.dv, "v");
    check(problem.inputs.u, analytic.du, "u");
    check(problem.inputs.v_bias, analytic.dv_bias, "v bias");
    check(problem.inputs.r, analytic.dr, "r");
  }
}

}  // namespace
}  // namespace lf::window_attention_tests
