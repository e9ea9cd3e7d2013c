// Dense attention against the triple-loop oracle: queries and keys of different length, causal or not.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "tests/core/kernels/attention/attention_oracle.h"
#include "tests/testing.h"

namespace lf::dense_attention_tests {
namespace {

struct Case {
  std::string name;
  int64_t H, K;
  std::vector<int64_t> query_offsets, key_offsets, positions = {};
  bool causal = false, holes = false;
  double dropout = 0;
};

struct Problem {
  explicit Problem(const Case& c) : H(c.H), K(c.K) {
    std::mt19937 generator(static_cast<uint32_t>(c.key_offsets.back() * 31 + c.K));
    std::normal_distribution<double> normal;
    const auto random = [&](int64_t count) {
      std::vector<double> values(count);
      for (double& value : values) value = float(bf16(float(normal(generator))));
      return values;
    };
    call.query_offsets = c.query_offsets, call.key_offsets = c.key_offsets, call.positions = c.positions;
    call.causal = c.causal, call.scale = 1 / std::sqrt(double(K));
    call.dropout = {c.dropout, {.seed = 9, .use = 1, .step = 2}};
    M = call.query_offsets.back(), N = call.key_offsets.back();
    std::vector<uint8_t> mask;
    for (int64_t n = 0; n < N; ++n) mask.push_back(n % 4 != 0);
    if (c.holes) call.mask = Tensor::from({N}, mask);
    inputs.q = random(M * H * K), inputs.k = random(N * H * K), inputs.v = random(N * H * K);
    dcontext = random(M * H * K);
  }

  kernels::DenseCall call;
  int64_t H, K, M = 0, N = 0;
  oracle::AttentionInputs inputs;
  std::vector<double> dcontext;
};

struct Results {
  Tensor context, lse, dq, dk, dv;
};

// Outputs start as NaN.
Results run(const Problem& p, DType dtype) {
  const Shape queries{p.M, p.H, p.K}, keys{p.N, p.H, p.K};
  const auto given = [&](const Shape& shape, const std::vector<double>& values) {
    return cast(Tensor::from(shape, values), dtype);
  };
  const auto poisoned = [](const Shape& shape, DType type) {
    return Tensor::full(shape, type, std::numeric_limits<double>::quiet_NaN());
  };
  const Tensor q = given(queries, p.inputs.q), k = given(keys, p.inputs.k), v = given(keys, p.inputs.v);
  Results out{poisoned(queries, dtype), poisoned({p.M, p.H}, dtype == DType::f64 ? DType::f64 : DType::f32),
              poisoned(queries, dtype), poisoned(keys, dtype), poisoned(keys, dtype)};
  kernels::dense_attention(p.call, q, k, v, out.context, out.lse);
  kernels::dense_attention_backward(p.call, q, k, v, out.context, out.lse, given(queries, p.dcontext), out.dq,
                                    out.dk, out.dv);
  return out;
}

double relative_error(const Tensor& actual, const std::vector<double>& expected) {
  const std::vector<double> values = actual.to_doubles();
  double difference = 0, size = 0;
  EXPECT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isinf(expected[i]) && values[i] == expected[i]) continue;
    if (!std::isfinite(values[i])) return std::numeric_limits<double>::infinity();
    difference += (values[i] - expected[i]) * (values[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"one", 1, 4, {0, 1}, {0, 1}},
      {"cross", 2, 16, {0, 5, 5, 70}, {0, 33, 40, 41}},
      {"cross, holes", 2, 7, {0, 5, 9, 70}, {0, 33, 34, 130}, {}, false, true},
      {"sequences without keys", 2, 16, {0, 3, 7}, {0, 0, 20}},
      {"causal", 2, 64, {0, 70, 71, 200}, {0, 70, 71, 200}, {}, true},
      {"causal, long", 1, 16, {0, 1100}, {0, 1100}, {}, true},
      {"causal, holes, dropout", 2, 24, {0, 90, 95}, {0, 90, 95}, {}, true, true, 0.3},
      {"causal, the last tokens", 1, 8, {0, 3, 5}, {0, 60, 100}, {57, 58, 59, 38, 39}, true},
      {"few queries, wide heads", 2, 72, {0, 4, 7, 8}, {0, 50, 90, 91}},
      {"listed positions", 1, 8, {0, 3, 5}, {0, 700, 740}, {600, -1, 3, -1, 39}, false, false, 0.4},
      {"more queries than keys", 1, 16, {0, 300}, {0, 20}, {}, true, false, 0.2},
  };
  return all;
}

void expect_equals_oracle(DType dtype) {
  const double tolerance = tolerance_of(dtype, Compared::attention);
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Problem p(c);
    const Results actual = run(p, dtype);
    const auto& [expected, gradients] = oracle::expected_once(c.name, [&p] {
      return oracle::Expected{oracle::oracle_dense_forward(p.call, p.H, p.K, p.inputs),
                              oracle::oracle_dense_backward(p.call, p.H, p.K, p.inputs, p.dcontext)};
    });
    EXPECT_LT(relative_error(actual.context, expected.context), tolerance);
    EXPECT_LT(relative_error(actual.lse, expected.lse), tolerance);
    EXPECT_LT(relative_error(actual.dq, gradients.dq), 2 * tolerance);
    EXPECT_LT(relative_error(actual.dk, gradients.dk), 2 * tolerance);
    EXPECT_LT(relative_error(actual.dv, gradients.dv), 2 * tolerance);
  }
}

TEST(DenseAttention, float64EqualsOracle) { expect_equals_oracle(DType::f64); }
TEST(DenseAttention, float32EqualsOracle) { expect_equals_oracle(DType::f32); }
TEST(DenseAttention, bfloat16EqualsOracle) { expect_equals_oracle(DType::bf16); }

TEST(DenseAttention, everyInstructionSetEqualsOracle) {
  const int64_t targets = hwy::SupportedTargets();
  for (int64_t target = targets & -targets, rest = targets; rest != 0;
       rest &= rest - 1, target = rest & -rest) {
    SCOPED_TRACE(hwy::TargetName(target));
    const int64_t machine = targets & -target;
    hwy::SetSupportedTargetsForTest(machine);
    hwy::GetChosenTarget().Update(machine);
    expect_equals_oracle(DType::f32);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(DenseAttention, callsThatDoNotFitAreNamed) {
  const Case good{"good", 1, 8, {0, 3, 5}, {0, 4, 9}, {0, 1, 2, 0, 1}, true};
  const auto expect = [&](const std::function<void(Problem&)>& spoil, const char* words) {
    Problem p(good);
    spoil(p);
    EXPECT_ERROR_TEXT(run(p, DType::f32), words);
  };
  expect([](Problem& p) { p.call.query_offsets = {0, 5}; }, "2 offsets of queries, 3 of keys");
  expect(
      [](Problem& p) {
        p.call.query_offsets = {0, 3, 4};
      },
      "the offsets of the queries must go from 0 to");
  expect([](Problem& p) { p.call.key_offsets = {0, 9, 8}; }, "the offsets of the keys must go from 0 to");
  expect([](Problem& p) { p.call.positions = {0, 1}; }, "2 positions for 5 queries");
  expect(
      [](Problem& p) {
        p.call.positions = {0, 2, 1, 0, 1};
      },
      "causal positions of sequence 0 must ascend");
  expect([](Problem& p) { p.call.mask = Tensor::zeros({3}, DType::u8); }, "a mask of 3 elements for 9 keys");
  expect([](Problem& p) { p.call.dropout.probability = 1; }, "dropout probability 1 is outside [0, 1)");
}

}  // namespace
}  // namespace lf::dense_attention_tests
