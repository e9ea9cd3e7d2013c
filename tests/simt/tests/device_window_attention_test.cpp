// The tensor-core kernels of window and global attention against the triple-loop oracle, over the shapes that
// break such kernels. Their errors may be twice those of loops that round the same numbers to bf16.
#include <gtest/gtest.h>

#include <limits>

#include "tests/simt/schedule.h"
#include "tests/simt/tests/attention_problem.h"

namespace lf {
namespace {

const std::vector<AttentionCase>& cases() {
  static const std::vector<AttentionCase> all = {
      {"one_token", 1, 1, 1, 32, 3, 3},
      {"itself_only", 1, 70, 2, 32, 0, 0},
      {"fewer_tokens_than_the_window", 2, 37, 1, 32, 64, 64},
      {"window_far_beyond_T", 1, 130, 1, 32, int64_t{1} << 40, int64_t{1} << 40},
      {"causal", 1, 200, 1, 64, 70, 0},
      {"symmetric", 2, 131, 1, 64, 20, 20},
      {"anticausal", 1, 100, 1, 32, 0, 30},
      {"uneven_sides", 1, 150, 2, 32, 17, 90},
      {"window_ends_at_a_tile", 1, 256, 1, 32, 64, 64},
      {"one_short_of_a_tile", 1, 256, 1, 32, 63, 63},
      {"one_beyond_a_tile", 1, 256, 1, 32, 65, 65},
      {"head_width_96", 1, 90, 1, 96, 25, 25},
      {"head_width_128", 1, 140, 1, 128, 40, 10},
      {"dilations", 1, 150, 4, 32, 9, 9, {1, 2, 3, 8}},
      {"causal_dilations", 1, 300, 2, 32, 40, 0, {3, 2}},
      {"dilation_beyond_T", 1, 5, 2, 32, 2, 2, {8, 100}},
      {"ragged", 3, 140, 1, 32, 20, 20, {}, Padding::ragged},
      {"holes", 1, 150, 2, 32, 5, 5, {}, Padding::holes},
      {"a_whole_row_padded", 2, 80, 1, 32, 9, 9, {}, Padding::whole_row},
      {"holes_dilated", 1, 150, 2, 32, 7, 2, {2, 3}, Padding::holes},
      {"no_globals_in_some_rows", 3, 80, 1, 32, 5, 5, {}, Padding::none, {0, 1, 3}},
      {"64_and_65_globals", 2, 150, 1, 32, 6, 6, {}, Padding::none, {64, 65}},
      {"all_global", 1, 70, 1, 32, 6, 6, {}, Padding::none, {70}},
      {"globals_and_holes", 2, 100, 1, 64, 8, 8, {}, Padding::holes, {9, 2}},
      {"globals_dilated", 1, 130, 2, 32, 6, 6, {1, 3}, Padding::none, {5}},
      {"relative_causal", 1, 200, 1, 64, 70, 0, {}, Padding::none, {}, true},
      {"relative_symmetric", 2, 100, 1, 32, 33, 33, {}, Padding::none, {}, true},
      {"relative_dilated", 1, 150, 3, 32, 20, 10, {1, 2, 5}, Padding::none, {}, true},
      {"relative_beyond_T", 1, 40, 1, 32, 100, 100, {}, Padding::none, {}, true},
      {"relative_head_width_128", 1, 130, 1, 128, 50, 20, {}, Padding::none, {}, true},
      {"dropout", 2, 90, 1, 64, 20, 20, {}, Padding::none, {}, false, 0.25},
      {"dropout_dilated", 1, 150, 3, 32, 9, 9, {1, 2, 9}, Padding::none, {3}, false, 0.5},
      {"dropout_head_width_96", 1, 83, 1, 96, 20, 20, {}, Padding::none, {}, false, 0.25},
      {"dropout_relative_causal", 1, 200, 1, 64, 70, 0, {}, Padding::none, {}, true, 0.5},
      {"dropout_relative_symmetric", 1, 40, 1, 32, 15, 15, {}, Padding::none, {}, true, 0.5},
      {"dropout_moved_globals",
       2,
       90,
       2,
       32,
       9,
       9,
       {1, 2},
       Padding::holes,
       {3, 66},
       false,
       0.5,
       0,
       -1,
       {},
       true},
      {"queries_in_the_middle", 1, 150, 1, 32, 9, 4, {}, Padding::ragged, {3}, true, 0.1, 20, 101},
      {"several_splits", 1, 1100, 1, 32, 10, 10, {}, Padding::none, {3}, true},
      {"lengths", 0, 0, 1, 32, 20, 20, {}, Padding::none, {}, false, 0, 0, -1, {70, 1, 200, 64, 3}},
      {"lengths_head_width_96", 0, 1, 1, 96, 20, 5, {}, Padding::none, {}, false, 0, 0, -1, {90, 17}},
      {"lengths_dilated", 0, 2, 2, 32, 9, 0, {3, 8}, Padding::none, {}, false, 0, 0, -1, {5, 150, 0, 40}},
      {"lengths_globals", 0, 3, 1, 32, 9, 9, {}, Padding::holes, {2, 0, 66}, false, 0, 0, -1, {40, 90, 130}},
      {"lengths_several_splits",
       0,
       4,
       1,
       32,
       9,
       9,
       {},
       Padding::none,
       {1, 3, 2},
       true,
       0,
       0,
       -1,
       {30, 1100, 600}},
      {"lengths_everything",
       0,
       5,
       2,
       32,
       12,
       9,
       {1, 2},
       Padding::holes,
       {2, 7, 1},
       true,
       0.3,
       0,
       -1,
       {20, 140, 70}},
      {"everything", 2, 140, 2, 32, 12, 9, {1, 2}, Padding::holes, {7, 3}, true, 0.3},
  };
  return all;
}

void expect_within(const char* what, const std::vector<double>& received, const std::vector<double>& rounded,
                   const std::vector<double>& exact) {
  constexpr double kLeast = 1e-5;  // of f32 sums, where nothing is rounded to bf16
  const double error = relative_error(received, exact), reference = relative_error(rounded, exact);
  EXPECT_LE(error, 2 * reference + kLeast) << what << ": rounded loops have " << reference;
}

class DeviceWindowAttention : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(DeviceWindowAttention, EqualsOracle) {
  const AttentionProblem problem(GetParam());
  const AttentionResults exact = oracle_window(problem, true), rounded = rounded_window(problem);
  seed_schedule(1);
  const AttentionResults received = run_window(problem, true);
  expect_within("context", received.context, rounded.context, exact.context);
  EXPECT_LT(relative_error(received.lse, exact.lse), 1e-5);
  expect_within("dq", received.dq, rounded.dq, exact.dq);
  expect_within("dk", received.dk, rounded.dk, exact.dk);
  expect_within("dv", received.dv, rounded.dv, exact.dv);
  expect_within("du", received.du, rounded.du, exact.du);
  expect_within("dv_bias", received.dv_bias, rounded.dv_bias, exact.dv_bias);
  expect_within("dr", received.dr, rounded.dr, exact.dr);
  for (const uint64_t seed : {2, 3}) {  // another order of warps: the same bits
    seed_schedule(seed);
    EXPECT_TRUE(run_window(problem, true) == received) << seed;
  }
}

// Kernels without tensor cores count them alike.
TEST(PlainDeviceAttention, OfGlobalsFromElsewhereEqualsOracle) {
  const AttentionProblem problem(
      {"plain", 2, 50, 2, 32, 9, 9, {1, 2}, Padding::holes, {3, 30}, false, 0.5, 0, -1, {}, true});
  const AttentionResults exact = oracle_window(problem, true),
                         received = run_window(problem, true, DType::f32);
  EXPECT_LT(relative_error(received.context, exact.context), 1e-5);
  EXPECT_LT(relative_error(received.dq, exact.dq), 1e-5);
  EXPECT_LT(relative_error(received.dk, exact.dk), 1e-5);
  EXPECT_LT(relative_error(received.dv, exact.dv), 1e-5);
}

class DeviceGlobalAttention : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(DeviceGlobalAttention, EqualsOracle) {
  const AttentionProblem problem(GetParam());
  const AttentionResults exact = oracle_global(problem, true), rounded = rounded_global(problem);
  seed_schedule(1);
  const AttentionResults received = run_global(problem, true);
  expect_within("context", received.context, rounded.context, exact.context);
  EXPECT_LT(relative_error(received.lse, exact.lse), 1e-5);
  expect_within("dq", received.dq, rounded.dq, exact.dq);
  expect_within("dk", received.dk, rounded.dk, exact.dk);
  expect_within("dv", received.dv, rounded.dv, exact.dv);
  for (const uint64_t seed : {2, 3}) {
    seed_schedule(seed);
    EXPECT_TRUE(run_global(problem, true) == received) << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, DeviceGlobalAttention,
    ::testing::Values(AttentionCase{"one", 2, 70, 2, 32, 0, 0, {}, Padding::none, {1, 1}},
                      AttentionCase{"65_and_none", 2, 80, 1, 64, 0, 0, {}, Padding::none, {65, 0}},
                      AttentionCase{"holes", 2, 150, 1, 32, 0, 0, {}, Padding::holes, {20, 9}},
                      AttentionCase{"a_whole_row_padded", 2, 40, 1, 32, 0, 0, {}, Padding::whole_row, {3, 3}},
                      AttentionCase{"several_splits", 1, 1100, 1, 32, 0, 0, {}, Padding::ragged, {5}},
                      AttentionCase{"head_width_128", 1, 70, 1, 128, 0, 0, {}, Padding::none, {4}},
                      AttentionCase{"lengths",
                                    0,
                                    7,
                                    1,
                                    32,
                                    0,
                                    0,
                                    {},
                                    Padding::holes,
                                    {3, 0, 70, 1},
                                    false,
                                    0.2,
                                    0,
                                    -1,
                                    {40, 20, 600, 1}},
                      AttentionCase{"dropout", 2, 90, 2, 64, 0, 0, {}, Padding::none, {7, 3}, false, 0.3}),
    [](const auto& c) { return c.param.name; });

INSTANTIATE_TEST_SUITE_P(Shapes, DeviceWindowAttention, ::testing::ValuesIn(cases()),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace lf
