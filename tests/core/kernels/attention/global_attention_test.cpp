// The dense attention of global tokens against the triple-loop oracle.
#include "core/kernels/attention/global.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "tests/core/kernels/attention/attention_oracle.h"

namespace lf {
namespace {

using oracle::AttentionInputs;

// Batch row b has counts[b] global tokens, spread over T; with_mask pads every fourth token, among them
// global ones.
struct Case {
  int64_t T, H, K;
  std::vector<int64_t> counts;
  bool with_mask = false;
  double dropout = 0;
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
    shape.B = static_cast<int64_t>(c.counts.size()), shape.T = c.T, shape.H = c.H, shape.K = c.K;
    shape.scale = 1 / std::sqrt(double(c.K));
    shape.dropout = {c.dropout, {.seed = 9, .use = 1, .step = 2}};
    for (const int64_t count : c.counts) {
      for (int64_t n = 0; n < count; ++n) positions.push_back(n * c.T / count);
      offsets.push_back(static_cast<int64_t>(positions.size()));
    }
    shape.global_offsets = offsets.data();
    shape.global_positions = positions.data();
    if (c.with_mask) {
      for (int64_t n = 0; n < shape.B * c.T; ++n) mask.push_back(n % 4 != 1);
      shape.key_mask = mask.data();
    }
    inputs.q = random(static_cast<int64_t>(positions.size()) * c.H * c.K);
    inputs.k = random(shape.B * c.T * c.H * c.K);
    inputs.v = random(shape.B * c.T * c.H * c.K);
    dcontext = random(shape.B * c.T * c.H * c.K);
  }
  Problem(const Problem&) = delete;

  WindowAttentionShape shape;
  AttentionInputs inputs;
  std::vector<double> dcontext;
  std::vector<int64_t> offsets{0}, positions;
  std::vector<uint8_t> mask;
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
  const auto& shape = problem.shape;
  const int64_t T = shape.T, H = shape.H, K = shape.K;
  const auto q = converted<Element>(problem.inputs.q), k = converted<Element>(problem.inputs.k);
  const auto v = converted<Element>(problem.inputs.v);
  auto dcontext = converted<Element>(problem.dcontext);
  const auto poison = Element(std::numeric_limits<float>::quiet_NaN());
  Results<Element> out{std::vector<Element>(k.size(), poison),
                       std::vector<Element>(q.size(), poison),
                       std::vector<Element>(k.size(), poison),
                       std::vector<Element>(k.size(), poison),
                       {}};
  out.lse.assign(problem.positions.size() * H, Accumulator<Element>(-7));
  const auto view = [&](const auto& data) { return contiguous_view(data.data(), T, H, K); };
  const auto writable = [&](auto& data) { return contiguous_view(data.data(), T, H, K); };
  global_attention_forward<Element>(shape, q.data(), view(k), view(v), writable(out.context), out.lse.data());
  for (int64_t row = 0; row < shape.B * T; ++row) {
    if (!oracle::is_global(shape, row / T, row % T))
      std::fill_n(dcontext.begin() + row * H * K, H * K, poison);
  }
  const Results<Element>& written = out;
  const auto& gradient = dcontext;
  global_attention_backward<Element>(shape, q.data(), view(k), view(v), view(written.context), out.lse.data(),
                                     view(gradient), out.dq.data(), writable(out.dk), writable(out.dv));
  for (int64_t row = 0; row < shape.B * T; ++row) {
    if (oracle::is_global(shape, row / T, row % T)) continue;
    for (int64_t c = 0; c < H * K; ++c) {
      auto& value = out.context[row * H * K + c];
      EXPECT_TRUE(std::isnan(static_cast<Accumulator<Element>>(value)))
          << "a row that is not global was written";
      value = Element(0.0f);
    }
  }
  return out;
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
  };
  return all;
}

template <class Element>
void expect_equals_oracle(double tolerance) {
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

TEST(GlobalAttention, float64EqualsOracle) { expect_equals_oracle<double>(1e-12); }
TEST(GlobalAttention, float32EqualsOracle) { expect_equals_oracle<float>(5e-6); }
TEST(GlobalAttention, bfloat16EqualsOracle) { expect_equals_oracle<bf16>(1e-2); }

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
}  // namespace lf
