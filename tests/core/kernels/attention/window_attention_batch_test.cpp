// Window attention of a sequence alone, in a batch and in slices; and calls that do not fit.
#include <gtest/gtest.h>

#include <cstring>
#include <iterator>
#include <memory>

#include "tests/core/kernels/attention/window_attention_problem.h"
#include "tests/testing.h"

namespace lf::window_attention_tests {
namespace {

// A row's bits are the same alone and as part of a batch.
TEST(WindowAttention, rowsDoNotDependOnTheBatch) {
  const Case whole{"batch", 3, 150, 2, 16, 9, 9, {}, Mask::none, Globals::none, true, 0.2};
  Problem batch(whole);
  const auto all = run<float>(batch);
  Case single = whole;
  single.B = 1;
  Problem alone(single);
  const size_t size = batch.inputs.q.size() / 3;
  const auto slice = [&](const std::vector<double>& from) {
    return std::vector<double>(from.begin() + size, from.begin() + 2 * size);
  };
  alone.inputs = batch.inputs;
  alone.inputs.q = slice(batch.inputs.q), alone.inputs.k = slice(batch.inputs.k);
  alone.inputs.v = slice(batch.inputs.v), alone.dcontext = slice(batch.dcontext);
  alone.shape.first_row = 1;
  const auto one = run<float>(alone);
  EXPECT_EQ(std::memcmp(one.context.data(), all.context.data() + size, size * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(one.dqkv.data(), all.dqkv.data() + 3 * size, 3 * size * sizeof(float)), 0);
}

// And in a batch of other lengths, global tokens and dropout included.
TEST(WindowAttention, sequencesDoNotDependOnTheLengthsOfOthers) {
  const Case c{"ragged batch", 0,     0,   2, 16, 9,           9, {}, Mask::holes,
               Globals::few,   false, 0.2, 0, -1, {40, 7, 700}};
  const Problem batch(c);
  const auto all = run<float>(batch);
  const int64_t width = c.H * c.K;
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t begin = batch.shape.begin(b), end = batch.shape.begin(b + 1);
    Problem alone(c);
    const auto slice = [&](std::vector<double>& of) {
      of = std::vector<double>(of.begin() + begin * width, of.begin() + end * width);
    };
    for (auto* of : {&alone.inputs.q, &alone.inputs.k, &alone.inputs.v, &alone.dcontext}) slice(*of);
    alone.shape.offsets = {0, end - begin};
    alone.shape.mask = batch.shape.mask.slice(begin, end);
    const auto& [offsets, positions] = *batch.shape.globals;
    const std::vector<int64_t> own(positions.begin() + offsets[b], positions.begin() + offsets[b + 1]);
    alone.shape.globals = std::make_shared<GlobalTokens>(GlobalTokens{{0, std::ssize(own)}, own});
    alone.shape.first_row = b, alone.shape.total_tokens = batch.shape.longest();
    const auto one = run<float>(alone);
    const size_t size = one.context.size(), at = begin * width;
    EXPECT_EQ(std::memcmp(one.context.data(), all.context.data() + at, size * sizeof(float)), 0) << b;
    EXPECT_EQ(std::memcmp(one.dqkv.data(), all.dqkv.data() + 3 * at, 3 * size * sizeof(float)), 0) << b;
  }
}

// Two haloed halves of a sequence give the rows of the whole, dropout included.
TEST(WindowAttention, slicesOfTheSequenceGiveTheWhole) {
  const Case c{"whole sequence", 1, 120, 2, 8, 10, 4, {}, Mask::none, Globals::none, true, 0.3};
  Problem whole(c);
  const auto expected = oracle::oracle_window_forward(whole.shape, whole.inputs).context;
  Case half = c;
  half.T = 74, half.query_begin = 10, half.query_end = 70;
  Problem slice(half);
  const int64_t first = 46, width = c.H * c.K;  // queries 56..115, keys 46..119
  const auto cut = [&](const std::vector<double>& from) {
    return std::vector<double>(from.begin() + first * width, from.end());
  };
  slice.inputs = whole.inputs;
  slice.inputs.q = cut(whole.inputs.q), slice.inputs.k = cut(whole.inputs.k),
  slice.inputs.v = cut(whole.inputs.v);
  slice.shape.first_token = first, slice.shape.total_tokens = c.T;
  const auto actual = run<double>(slice).context;
  const std::vector<double> part(actual.begin() + 10 * width, actual.begin() + 70 * width);
  EXPECT_LT(relative_error(part, {expected.begin() + 56 * width, expected.begin() + 116 * width}),
            tolerance_of(DType::f64, Compared::attention));
}

TEST(WindowAttention, wrongShapesAreErrors) {
  Problem problem({"errors", 1, 8, 2, 4, 2, 2});
  problem.shape.dilation = {1, 2, 3};
  EXPECT_THROW(run<float>(problem), Error);
  problem.shape.dilation = {1, 0};
  EXPECT_THROW(run<float>(problem), Error);
  problem.shape.dilation.clear();
  problem.shape.globals = std::make_shared<GlobalTokens>(GlobalTokens{{0, 2}, {5, 3}});
  EXPECT_THROW(run<float>(problem), Error);
  problem.shape.globals = std::make_shared<GlobalTokens>(GlobalTokens{{0, 2}, {3, 5}});
  problem.shape.global_places = {3};
  EXPECT_ERROR_TEXT(run<float>(problem), "1 places of 2 global tokens");
  problem.shape.global_places.clear();
  problem.shape.globals = nullptr;
  problem.shape.offsets = {0, 5, 4, 8};
  EXPECT_THROW(run<float>(problem), Error);
}

}  // namespace
}  // namespace lf::window_attention_tests
