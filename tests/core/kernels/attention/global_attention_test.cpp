// Dense attention as global tokens use it, against the triple-loop oracle.
#include "core/kernels/kernels.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>

#include "tests/core/kernels/attention/attention_oracle.h"
#include "tests/testing.h"

namespace lf::global_attention_tests {
namespace {

using oracle::AttentionInputs;

// Sequence b has counts[b] global tokens, spread over it; with_mask pads every fourth token, among them
// global ones.
struct Case {
  int64_t T, H, K;
  std::vector<int64_t> counts;
  bool with_mask = false;
  double dropout = 0;
  std::vector<int64_t> lengths = {};  // of a ragged batch; empty: all T
};

struct Problem {
  explicit Problem(const Case& c) {
    std::mt19937 generator(static_cast<uint32_t>(c.T * 31 + c.K));
    std::normal_distribution<double> normal;
    const auto random = [&](int64_t count) {
      std::vector<double> values(count);
      for (double& value : values) value = float(bf16(float(normal(generator))));
      return values;
    };
    shape.H = c.H, shape.K = c.K;
    shape.scale = 1 / std::sqrt(double(c.K));
    shape.dropout = {c.dropout, {.seed = 9, .use = 1, .step = 2}};
    shape.offsets = {0};
    GlobalTokens globals{{0}, {}};
    for (size_t b = 0; b < c.counts.size(); ++b) {
      const int64_t length = c.lengths.empty() ? c.T : c.lengths[b];
      shape.offsets.push_back(shape.offsets.back() + length);
      for (int64_t n = 0; n < c.counts[b]; ++n) globals.positions.push_back(n * length / c.counts[b]);
      globals.offsets.push_back(static_cast<int64_t>(globals.positions.size()));
    }
    shape.globals = std::make_shared<GlobalTokens>(std::move(globals));
    const int64_t N = shape.tokens();
    std::vector<uint8_t> mask;
    for (int64_t n = 0; n < N; ++n) mask.push_back(n % 4 != 1);
    if (c.with_mask) shape.mask = Tensor::from({N}, mask);
    inputs.q = random(shape.global_tokens() * c.H * c.K);
    inputs.k = random(N * c.H * c.K);
    inputs.v = random(N * c.H * c.K);
    dcontext = random(N * c.H * c.K);
  }

  oracle::CallShape shape;
  AttentionInputs inputs;
  std::vector<double> dcontext;
};

template <class Element>
struct Results {
  std::vector<Element> context, dq, dk, dv;
  std::vector<Accumulator<Element>> lse;
};

template <class Element>
std::vector<Element> converted(const std::vector<double>& from) {
  std::vector<Element> to;
  for (const double value : from)
    to.push_back(static_cast<Element>(static_cast<Accumulator<Element>>(value)));
  return to;
}

// Outputs start as NaN; rows of context that are not global must stay so, and become zero here.
template <class Element>
Results<Element> run(const Problem& problem) {
  using F = Accumulator<Element>;
  constexpr DType kType = DTypeOf<Element>::value;
  const auto& shape = problem.shape;
  const int64_t N = shape.tokens(), M = shape.global_tokens();
  const Shape all{N, shape.H, shape.K}, listed{M, shape.H, shape.K}, row_shape{1, shape.H, shape.K};
  const kernels::DenseCall call = kernels::global_queries(shape);
  const auto tensor = [&](const Shape& of, const std::vector<double>& values) {
    return Tensor::from(of, converted<Element>(values));
  };
  const auto poisoned = [&](const Shape& of) {
    return Tensor::full(of, kType, std::numeric_limits<double>::quiet_NaN());
  };
  const Tensor q = tensor(listed, problem.inputs.q), k = tensor(all, problem.inputs.k);
  const Tensor v = tensor(all, problem.inputs.v);
  Tensor dcontext = tensor(all, problem.dcontext), context = poisoned(all), dq = poisoned(listed);
  Tensor dk = poisoned(all), dv = poisoned(all), rows = poisoned(listed), drows = poisoned(listed);
  Tensor lse = Tensor::full({M, shape.H}, DTypeOf<F>::value, -7);
  kernels::dense_attention(call, q, k, v, rows, lse);
  kernels::put_global_rows(shape, rows, context);
  for (int64_t row = 0; row < N; ++row) {
    if (!oracle::is_global_row(shape, row)) dcontext.slice(row, row + 1).copy_from(poisoned(row_shape));
  }
  kernels::take_global_rows(shape, dcontext, drows);
  kernels::dense_attention_backward(call, q, k, v, rows, lse, drows, dq, dk, dv);
  for (int64_t row = 0; row < N; ++row) {
    if (oracle::is_global_row(shape, row)) continue;
    for (const double value : context.slice(row, row + 1).to_doubles())
      EXPECT_TRUE(std::isnan(value)) << "a row that is not global was written";
    context.slice(row, row + 1).fill_zero();
  }
  const auto values = [](const Tensor& x) {
    return std::vector<Element>(x.data<Element>(), x.data<Element>() + x.elements());
  };
  return {values(context), values(dq), values(dk), values(dv),
          std::vector<F>(lse.data<F>(), lse.data<F>() + lse.elements())};
}

template <class Actual>
double relative_error(const std::vector<Actual>& actual, const std::vector<double>& expected) {
  double difference = 0, size = 0;
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const double value = static_cast<Accumulator<Actual>>(actual[i]);
    if (std::isinf(expected[i]) && value == expected[i]) continue;
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    difference += (value - expected[i]) * (value - expected[i]);
    size += expected[i] * expected[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {1, 1, 4, {1}},
      {40, 2, 16, {1, 0, 3}},
      {77, 2, 64, {64, 65}},
      {130, 3, 7, {2, 9}, true},
      {60, 2, 16, {60}, true},
      {1100, 1, 16, {3, 40}, true},
      {33, 2, 8, {0, 0}},
      {90, 2, 24, {5, 33}, true, 0.3},
      {600, 1, 8, {1}, false, 0.5},
      {0, 2, 16, {1, 3, 0, 2}, false, 0, {40, 1100, 7, 3}},
      {1, 2, 24, {5, 33, 1}, true, 0.3, {5, 90, 600}},
  };
  return all;
}

template <class Element>
void expect_equals_oracle() {
  const double tolerance = tolerance_of(DTypeOf<Element>::value, Compared::attention);
  for (const Case& c : cases()) {
    SCOPED_TRACE(::testing::Message() << "T " << c.T << ", K " << c.K);
    const Problem problem(c);
    const auto actual = run<Element>(problem);
    const auto expected = oracle::oracle_global_forward(problem.shape, problem.inputs);
    const auto gradients = oracle::oracle_global_backward(problem.shape, problem.inputs, problem.dcontext);
    EXPECT_LT(relative_error(actual.context, expected.context), tolerance);
    EXPECT_LT(relative_error(actual.lse, expected.lse), tolerance);
    EXPECT_LT(relative_error(actual.dq, gradients.dq), 2 * tolerance);
    EXPECT_LT(relative_error(actual.dk, gradients.dk), 2 * tolerance);
    EXPECT_LT(relative_error(actual.dv, gradients.dv), 2 * tolerance);
  }
}

TEST(GlobalAttention, float64EqualsOracle) { expect_equals_oracle<double>(); }
TEST(GlobalAttention, float32EqualsOracle) { expect_equals_oracle<float>(); }
TEST(GlobalAttention, bfloat16EqualsOracle) { expect_equals_oracle<bf16>(); }

TEST(GlobalAttention, bitsDoNotDependOnThreadsOrRepetition) {
  const int threads = omp_get_max_threads();
  const auto same = [](const auto& a, const auto& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0);
  };
  for (const Case& c : cases()) {
    const Problem problem(c);
    omp_set_num_threads(1);
    const auto one = run<float>(problem);
    for (const int count : {2, 2}) {
      omp_set_num_threads(count);
      const auto other = run<float>(problem);
      EXPECT_TRUE(same(one.context, other.context) && same(one.lse, other.lse) && same(one.dq, other.dq) &&
                  same(one.dk, other.dk) && same(one.dv, other.dv));
    }
  }
  omp_set_num_threads(threads);
}

TEST(GlobalAttention, oracleGradientsEqualFiniteDifferences) {
  Problem problem({9, 2, 3, {2, 3}, true, 0.3});
  const auto objective = [&] {
    const auto context = oracle::oracle_global_forward(problem.shape, problem.inputs).context;
    double sum = 0;
    for (size_t i = 0; i < context.size(); ++i) sum += context[i] * problem.dcontext[i];
    return sum;
  };
  const auto analytic = oracle::oracle_global_backward(problem.shape, problem.inputs, problem.dcontext);
  const auto check = [&](std::vector<double>& values, const std::vector<double>& gradient) {
    double largest = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double value = values[i], h = 1e-5;
      values[i] = value + h;
      const double above = objective();
      values[i] = value - h;
      const double below = objective();
      values[i] = value;
      EXPECT_NEAR((above - below) / (2 * h), gradient[i], 1e-8);
      largest = std::max(largest, std::abs(gradient[i]));
    }
    EXPECT_GT(largest, 1e-3) << "the case is vacuous";
  };
  check(problem.inputs.q, analytic.dq);
  check(problem.inputs.k, analytic.dk);
  check(problem.inputs.v, analytic.dv);
}

}  // namespace
}  // namespace lf::global_attention_tests
