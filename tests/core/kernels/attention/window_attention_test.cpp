// The window attention kernels against the triple-loop oracle, over the shapes that break such kernels.
#include "core/kernels/attention/window.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>

#include "tests/core/kernels/attention/attention_oracle.h"

namespace lf {
namespace {

using oracle::AttentionGradients;
using oracle::AttentionInputs;
using oracle::AttentionOutputs;

enum class Mask { none, ragged, holes, empty_row };
enum class Globals { none, one, few, many, all };

struct Case {
  std::string name;
  int64_t B, T, H, K, left, right;
  std::vector<int32_t> dilation = {};
  Mask mask = Mask::none;
  Globals globals = Globals::none;
  bool relative = false;
  double dropout = 0;
  int64_t query_begin = 0, query_end = -1;
};

// A case with its random inputs; owns what the shape points to.
struct Problem {
  explicit Problem(const Case& c);
  Problem(const Problem&) = delete;

  WindowAttentionShape shape;
  AttentionInputs inputs;
  std::vector<double> dcontext;
  std::vector<uint8_t> mask;
  std::vector<int64_t> offsets{0}, positions;
};

std::vector<double> random_values(size_t count, std::mt19937& generator) {
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  // Through float and its upper half: every element type holds the same numbers exactly.
  for (double& value : values) value = float(bf16(float(normal(generator))));
  return values;
}

std::vector<int64_t> choose_globals(Globals kind, int64_t b, int64_t T) {
  std::vector<int64_t> chosen;
  const int64_t step = kind == Globals::all ? 1 : kind == Globals::many ? 2 : kind == Globals::few ? 7 : T;
  if (kind == Globals::none || (kind == Globals::few && b == 1)) return chosen;
  for (int64_t t = kind == Globals::all ? 0 : b % T; t < T; t += step) chosen.push_back(t);
  if (kind == Globals::many && chosen.size() > static_cast<size_t>(64 + b)) chosen.resize(64 + b);
  return chosen;
}

Problem::Problem(const Case& c) {
  std::mt19937 generator(std::hash<std::string>()(c.name) & 0xffffffffu);
  shape.B = c.B, shape.T = c.T, shape.H = c.H, shape.K = c.K;
  shape.left = c.left, shape.right = c.right, shape.dilation = c.dilation;
  shape.scale = 1 / std::sqrt(double(c.K));
  shape.query_begin = c.query_begin, shape.query_end = c.query_end;
  shape.dropout = {c.dropout, {.seed = 77, .use = 3, .step = 5}};
  const size_t count = c.B * c.T * c.H * c.K;
  inputs.q = random_values(count, generator);
  inputs.k = random_values(count, generator);
  inputs.v = random_values(count, generator);
  dcontext = random_values(count, generator);
  if (c.relative) {
    int64_t most = 1;
    for (const int32_t D : c.dilation) most = std::max<int64_t>(most, D);
    inputs.zero_row = std::min(c.right * most, c.T - 1) + 1;
    inputs.rows = inputs.zero_row + std::min(c.left * most, c.T - 1) + 3;
    inputs.u = random_values(c.H * c.K, generator);
    inputs.v_bias = random_values(c.H * c.K, generator);
    inputs.r = random_values(inputs.rows * c.H * c.K, generator);
  }
  if (c.mask != Mask::none) {
    mask.assign(c.B * c.T, 1);
    for (int64_t b = 0; b < c.B; ++b) {
      for (int64_t t = 0; t < c.T; ++t) {
        const bool padded = c.mask == Mask::ragged  ? t >= c.T - b * (c.T / 3) - 2
                            : c.mask == Mask::holes ? generator() % 3 == 0
                                                    : b == 0;
        mask[b * c.T + t] = !padded;
      }
    }
    shape.key_mask = mask.data();
  }
  if (c.globals != Globals::none) {
    for (int64_t b = 0; b < c.B; ++b) {
      const auto chosen = choose_globals(c.globals, b, c.T);
      positions.insert(positions.end(), chosen.begin(), chosen.end());
      offsets.push_back(static_cast<int64_t>(positions.size()));
    }
    shape.global_offsets = offsets.data();
    shape.global_positions = positions.data();
  }
}

template <class To>
std::vector<To> converted(const std::vector<double>& from) {
  std::vector<To> to(from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    if constexpr (std::is_same_v<To, double>) {
      to[i] = from[i];
    } else {
      to[i] = To(float(from[i]));
    }
  }
  return to;
}

template <class Element>
struct Results {
  std::vector<Element> context, dqkv, dr;  // dqkv (B, T, 3, H, K)
  std::vector<Accumulator<Element>> lse, du, dv_bias;

  bool operator==(const Results& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.size() == b.size() &&
             (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0);
    };
    return same(context, other.context) && same(dqkv, other.dqkv) && same(dr, other.dr) &&
           same(lse, other.lse) && same(du, other.du) && same(dv_bias, other.dv_bias);
  }
};

template <class Element>
Element not_a_number() {
  return Element(std::numeric_limits<float>::quiet_NaN());
}

// Runs both passes on a fused (B, T, 3, H, K) projection, all outputs poisoned beforehand.
template <class Element>
Results<Element> run(const Problem& problem) {
  using F = Accumulator<Element>;
  const auto& [shape, x] = std::tie(problem.shape, problem.inputs);
  const int64_t B = shape.B, T = shape.T, H = shape.H, K = shape.K;
  std::vector<double> fused;
  for (int64_t token = 0; token < B * T; ++token) {
    for (const auto* part : {&x.q, &x.k, &x.v}) {
      fused.insert(fused.end(), part->begin() + token * H * K, part->begin() + (token + 1) * H * K);
    }
  }
  const auto qkv = converted<Element>(fused);
  const auto view = [&](auto* data, int64_t part) {
    return TokenView<std::remove_pointer_t<decltype(data)>>{data + part * H * K, T * 3 * H * K, 3 * H * K};
  };
  const auto u = converted<F>(x.u), v_bias = converted<F>(x.v_bias);
  const auto r = converted<Element>(x.r);
  const RelativePositions<Element> relative{u.data(), v_bias.data(), r.data(), x.rows, x.zero_row};
  const bool has_relative = !r.empty();

  const Element poison = not_a_number<Element>();
  Results<Element> out{.context = std::vector<Element>(x.q.size(), poison),
                       .dqkv = std::vector<Element>(fused.size(), poison),
                       .dr = std::vector<Element>(x.r.size(), poison),
                       .lse = std::vector<F>(B * H * T, not_a_number<F>()),
                       .du = std::vector<F>(x.u.size(), not_a_number<F>()),
                       .dv_bias = std::vector<F>(x.u.size(), not_a_number<F>())};
  const Element* const data = qkv.data();
  window_attention_forward<Element>(shape, view(data, 0), view(data, 1), view(data, 2),
                                    has_relative ? &relative : nullptr,
                                    contiguous_view(out.context.data(), T, H, K), out.lse.data());
  auto overwritten = out.context;
  auto dcontext = converted<Element>(problem.dcontext);
  for (int64_t row = 0; row < B * T; ++row) {
    if (!oracle::is_global(shape, row / T, row % T)) continue;
    std::fill_n(overwritten.begin() + row * H * K, H * K, poison);
    std::fill_n(dcontext.begin() + row * H * K, H * K, poison);
  }
  const RelativeGradients<Element> relative_gradients{out.du.data(), out.dv_bias.data(), out.dr.data()};
  const Element* const context = overwritten.data();
  const Element* const gradient = dcontext.data();
  Element* const dqkv = out.dqkv.data();
  window_attention_backward<Element>(
      shape, view(data, 0), view(data, 1), view(data, 2), has_relative ? &relative : nullptr,
      contiguous_view(context, T, H, K), out.lse.data(), contiguous_view(gradient, T, H, K), view(dqkv, 0),
      view(dqkv, 1), view(dqkv, 2), has_relative ? &relative_gradients : nullptr);
  return out;
}

// The norm of (actual - expected) over the norm of expected; infinite if a value is not finite or of another
// infinity.
template <class Actual>
double relative_error(const std::vector<Actual>& actual, const std::vector<double>& expected) {
  double difference = 0, size = 0;
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    double value;
    if constexpr (std::is_same_v<Actual, bf16>) {
      value = float(actual[i]);
    } else {
      value = actual[i];
    }
    if (std::isinf(expected[i]) && value == expected[i]) continue;
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    difference += (value - expected[i]) * (value - expected[i]);
    size += expected[i] * expected[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

template <class Element>
std::vector<Element> part_of(const std::vector<Element>& fused, int64_t part, int64_t width) {
  std::vector<Element> out;
  for (size_t at = part * width; at < fused.size(); at += 3 * width) {
    out.insert(out.end(), fused.begin() + at, fused.begin() + at + width);
  }
  return out;
}

template <class Element>
void expect_equals_oracle(const Case& c, double tolerance) {
  SCOPED_TRACE(c.name);
  const Problem problem(c);
  const auto actual = run<Element>(problem);
  const auto expected = oracle::oracle_window_forward(problem.shape, problem.inputs);
  const auto gradients = oracle::oracle_window_backward(problem.shape, problem.inputs, problem.dcontext);
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
  };
  return all;
}

TEST(WindowAttention, float64EqualsOracle) {
  for (const Case& c : cases()) expect_equals_oracle<double>(c, 1e-12);
}
TEST(WindowAttention, float32EqualsOracle) {
  for (const Case& c : cases()) expect_equals_oracle<float>(c, 5e-6);
}
TEST(WindowAttention, bfloat16EqualsOracle) {
  for (const Case& c : cases()) expect_equals_oracle<bf16>(c, 1e-2);
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
    for (const Case& c : cases()) expect_equals_oracle<float>(c, 5e-6);
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
  EXPECT_LT(relative_error(part, {expected.begin() + 56 * width, expected.begin() + 116 * width}), 1e-12);
}

TEST(WindowAttention, wrongShapesAreErrors) {
  Problem problem({"errors", 1, 8, 2, 4, 2, 2});
  problem.shape.dilation = {1, 2, 3};
  EXPECT_THROW(run<float>(problem), Error);
  problem.shape.dilation = {1, 0};
  EXPECT_THROW(run<float>(problem), Error);
  problem.shape.dilation.clear();
  const std::vector<int64_t> offsets{0, 2}, unsorted{5, 3};
  problem.shape.global_offsets = offsets.data();
  problem.shape.global_positions = unsorted.data();
  EXPECT_THROW(run<float>(problem), Error);
}

}  // namespace
}  // namespace lf
