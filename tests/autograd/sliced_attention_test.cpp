// Attention of sequences cut over ranks against one rank's: contexts, gradients and bytes sent.
#include "autograd/sliced_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <mutex>
#include <vector>

#include "tests/autograd/sliced_attention_problem.h"

namespace lf::sliced {
namespace {

void expect_equal(const SlicedCase& c, DType dtype) {
  const WholeBatch batch(c, dtype);
  const Outcome expected = on_one_rank(batch), received = on_ranks(batch);
  const double tolerance = tolerance_of(dtype, Compared::attention);
  EXPECT_CLOSE(received.context, expected.context, tolerance);
  EXPECT_CLOSE(received.dqkv, expected.dqkv, 2 * tolerance);
  if (c.relative) {
    EXPECT_CLOSE(received.du, expected.du, 2 * tolerance);
    EXPECT_CLOSE(received.dv, expected.dv, 2 * tolerance);
    EXPECT_CLOSE(received.dr, expected.dr, 2 * tolerance);
  }
  if (!c.has_globals()) return;
  EXPECT_CLOSE(received.dglobal_q, expected.dglobal_q, 2 * tolerance);
  EXPECT_CLOSE(received.dglobal_k, expected.dglobal_k, 2 * tolerance);
  EXPECT_CLOSE(received.dglobal_v, expected.dglobal_v, 2 * tolerance);
}

class SlicedAttention : public testing::TestWithParam<SlicedCase> {};

TEST_P(SlicedAttention, GivesWhatOneRankGives) {
  expect_equal(GetParam(), DType::f64);
  expect_equal(GetParam(), DType::f32);
  expect_equal(GetParam(), DType::bf16);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, SlicedAttention,
    testing::Values(
        SlicedCase{"symmetric_2_ranks", 2, {40, 40}, 5, 5},
        SlicedCase{"symmetric_3_ranks", 3, {40, 40}, 5, 5}, SlicedCase{"causal_2_ranks", 2, {40, 40}, 6, 0},
        SlicedCase{"causal_3_ranks", 3, {41, 41}, 6, 0}, SlicedCase{"one_rank", 1, {40, 23}, 5, 5},
        SlicedCase{"ragged", 3, {40, 7, 23}, 4, 4}, SlicedCase{"shorter_than_the_ranks", 5, {3, 40, 1}, 4, 2},
        SlicedCase{"several_hops", 5, {40, 40}, 20, 13},
        SlicedCase{"wider_than_the_sequence", 3, {40}, 99, 99},
        SlicedCase{"dilated", 3, {60, 60}, 7, 3, {1, 4}},
        SlicedCase{"equal_halos_of_unequal_slices", 5, {8, 7}, 3, 2},
        SlicedCase{"dropout", 3, {61, 61}, 7, 3, {1, 2}, 0.3},
        SlicedCase{"dropout_of_ragged", 4, {61, 30, 30}, 7, 3, {}, 0.3},
        SlicedCase{"relative", 3, {60, 60}, 9, 4, {2, 3}, 0.1, true},
        SlicedCase{"relative_of_ragged", 3, {60, 41}, 9, 0, {2, 3}, 0.1, true},
        SlicedCase{"masked", 3, {60, 41}, 9, 4, {}, 0.1, false, true},
        SlicedCase{"globals", 3, {60, 60}, 5, 5, {}, 0, false, false, {{0, 3, 4}, {0, 19, 20, 59}}},
        SlicedCase{"globals_of_ragged",
                   4,
                   {60, 9, 33},
                   5,
                   5,
                   {},
                   0.3,
                   false,
                   true,
                   {{0, 5, 5, 8}, {0, 14, 15, 16, 59, 0, 10, 31}}},
        SlicedCase{"globals_several_hops",
                   6,
                   {60, 60},
                   25,
                   12,
                   {1, 2},
                   0.2,
                   false,
                   true,
                   {{0, 4, 6}, {3, 10, 30, 55, 0, 1}}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(SlicedAttention, OneRankGivesTheBitsOfNone) {
  const SlicedCase c{"bits", 1, {60, 41}, 9, 4, {1, 3}, 0.1, true, true};
  const WholeBatch batch(c, DType::f32);
  const Outcome expected = on_one_rank(batch), received = on_ranks(batch);
  EXPECT_SAME_BITS(received.context, expected.context);
  EXPECT_SAME_BITS(received.dqkv, expected.dqkv);
}

std::vector<bool> where_nan(const Tensor& x) {
  std::vector<bool> result;
  for (const double value : x.to_doubles()) result.push_back(std::isnan(value));
  return result;
}

// A query that cannot be compared with any rank's keys, and a key that no query can be compared with.
TEST(SlicedAttention, NothingHidesNaN) {
  const SlicedCase c{"nan", 3, {60, 60}, 5, 5, {}, 0, false, false, {{0, 2, 3}, {0, 31, 59}}};
  const auto expect_seen = [&](const WholeBatch& batch) {
    const std::vector<bool> expected = where_nan(on_one_rank(batch).context);
    ASSERT_NE(std::find(expected.begin(), expected.end(), true), expected.end());
    EXPECT_EQ(where_nan(on_ranks(batch).context), expected);
  };
  for (const int64_t row : {2, 30, 59}) {
    const WholeBatch batch(c, DType::f32);
    batch.global_k.data<float>()[row * c.H * c.K] = std::numeric_limits<float>::quiet_NaN();
    expect_seen(batch);
  }
  const WholeBatch batch(c, DType::f32);
  batch.global_q.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  expect_seen(batch);
}

TEST(SlicedAttention, GivesTheSameBitsFromRunToRun) {
  const SlicedCase c{"bits", 5, {60, 41}, 20, 9, {}, 0.1, false, true, {{0, 2, 3}, {0, 31, 5}}};
  const WholeBatch batch(c, DType::f32);
  const Outcome first = on_ranks(batch), second = on_ranks(batch);
  EXPECT_SAME_BITS(first.context, second.context);
  EXPECT_SAME_BITS(first.dqkv, second.dqkv);
  EXPECT_SAME_BITS(first.dglobal_q, second.dglobal_q);
  EXPECT_SAME_BITS(first.dglobal_k, second.dglobal_k);
}

// Of all ranks together, for slices that are no shorter than the window reaches, `halo` tokens on both sides
// together, and M global tokens in all: every edge between slices is crossed by a halo's keys, values and
// their gradients, and by its mask. A global token's are exchanged with every other rank, as are its query,
// its partial contexts and lses, then its context, lse and gradient, and its query's partial gradients.
int64_t formula(const SlicedCase& c, int64_t halo, int64_t element, int64_t sum) {
  const int64_t B = std::ssize(c.lengths), M = std::ssize(c.globals.positions), others = c.ranks - 1;
  const int64_t row = c.H * c.K * element, rows = others * (B * halo + M);
  const int64_t window = rows * (2 * row + 2 * row + (c.masked ? 1 : 0));
  if (!c.has_globals()) return window;
  const int64_t forward = row + row + c.H * sum + (c.masked ? 1 : 0), backward = 2 * row + c.H * sum + row;
  return window + others * M * (forward + backward);
}

int64_t bytes_of_a_layer(const SlicedCase& c) {
  const WholeBatch batch(c, DType::bf16);
  std::mutex mutex;
  int64_t bytes = 0;
  on_ranks(batch, [&](Communicator& ranks, const std::function<void()>& layer) {
    const int64_t before = ranks.bytes_sent();
    layer();
    const std::lock_guard lock(mutex);
    bytes += ranks.bytes_sent() - before;
  });
  return bytes;
}

TEST(SlicedAttention, BytesOfALayerAreThoseOfTheHalosAndTheGlobalTokens) {
  for (const int64_t T : {64, 128, 512}) {
    const SlicedCase causal{"causal", 4, {T, T}, 6, 0, {1, 2}};
    EXPECT_EQ(bytes_of_a_layer(causal), formula(causal, 12, 2, 4)) << T;
    const SlicedCase globals{"globals", 4, {T, T}, 5, 3, {}, 0, false, true, {{0, 2, 3}, {0, T / 2, T - 1}}};
    EXPECT_EQ(bytes_of_a_layer(globals), formula(globals, 8, 2, 4)) << T;
  }
}

TEST(SlicedAttention, WhatIsNotOfTheSlicesIsAnError) {
  run_ranks(2, [](const std::shared_ptr<Communicator>& ranks) {
    AttentionPattern pattern{.left = 2, .right = 2};
    pattern.slices = std::make_shared<const SequenceSlices>(SequenceSlices{ranks, {10}});
    EXPECT_ERROR_TEXT(window_attention(Var(random_tensor({1, 6, 3, 2, 8}, DType::f32, 1)), pattern),
                      text("window_attention: a batch of 1 sequences and 6 tokens is not what rank ",
                           ranks->rank(), "'s slices hold"));
    pattern.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 2}, {0, 9}});
    const Var x(random_tensor({1, 5, 2, 8}, DType::f32, 1)), q(random_tensor({2, 2, 8}, DType::f32, 1));
    EXPECT_ERROR_TEXT(global_attention(x, q, x, x, pattern), "needed (1, 2, 8) of the slices' global tokens");
    pattern.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 1}, {10}});
    EXPECT_ERROR_TEXT(window_attention(x, x, x, pattern), "token 10 of sequence 0 is outside 10 tokens");
  });
}

}  // namespace
}  // namespace lf::sliced
