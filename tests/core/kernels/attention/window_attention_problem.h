// Cases of window attention with random inputs, and a run of both passes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/kernels/kernels.h"
#include "tests/core/kernels/attention/attention_oracle.h"

namespace lf::window_attention_tests {

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
  std::vector<int64_t> lengths = {};  // of a ragged batch; empty: B sequences of T
};

// A case with its random inputs.
struct Problem {
  explicit Problem(const Case& c);

  oracle::CallShape shape;
  AttentionInputs inputs;
  std::vector<double> dcontext;
};

inline std::vector<double> random_values(size_t count, std::mt19937& generator) {
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  // Through float and its upper half: every element type holds the same numbers exactly.
  for (double& value : values) value = float(bf16(float(normal(generator))));
  return values;
}

inline std::vector<int64_t> choose_globals(Globals kind, int64_t b, int64_t T) {
  std::vector<int64_t> chosen;
  const int64_t step = kind == Globals::all ? 1 : kind == Globals::many ? 2 : kind == Globals::few ? 7 : T;
  if (kind == Globals::none || (kind == Globals::few && b == 1)) return chosen;
  for (int64_t t = kind == Globals::all ? 0 : b % T; t < T; t += step) chosen.push_back(t);
  if (kind == Globals::many && chosen.size() > static_cast<size_t>(64 + b)) chosen.resize(64 + b);
  return chosen;
}

inline Problem::Problem(const Case& c) {
  std::mt19937 generator(std::hash<std::string>()(c.name) & 0xffffffffu);
  shape.offsets = kernels::equal_offsets(c.B, c.T);
  if (!c.lengths.empty()) {
    shape.offsets = {0};
    for (const int64_t length : c.lengths) shape.offsets.push_back(shape.offsets.back() + length);
  }
  shape.H = c.H, shape.K = c.K;
  shape.left = c.left, shape.right = c.right, shape.dilation = c.dilation;
  shape.scale = 1 / std::sqrt(double(c.K));
  shape.query_begin = c.query_begin, shape.query_end = c.query_end;
  shape.dropout = {c.dropout, {.seed = 77, .use = 3, .step = 5}};
  const size_t count = shape.tokens() * c.H * c.K;
  inputs.q = random_values(count, generator);
  inputs.k = random_values(count, generator);
  inputs.v = random_values(count, generator);
  dcontext = random_values(count, generator);
  if (c.relative) {
    int64_t most = 1;
    for (const int32_t D : c.dilation) most = std::max<int64_t>(most, D);
    inputs.zero_row = std::min(c.right * most, shape.longest() - 1) + 1;
    inputs.rows = inputs.zero_row + std::min(c.left * most, shape.longest() - 1) + 3;
    inputs.u = random_values(c.H * c.K, generator);
    inputs.v_bias = random_values(c.H * c.K, generator);
    inputs.r = random_values(inputs.rows * c.H * c.K, generator);
  }
  const auto chosen_mask = [&](int64_t b, int64_t t) {
    return c.mask == Mask::ragged  ? t >= shape.length(b) - b * (shape.length(b) / 3) - 2
           : c.mask == Mask::holes ? generator() % 3 == 0
                                   : b == 0;
  };
  std::vector<uint8_t> mask;
  GlobalTokens globals{{0}, {}};
  for (int64_t b = 0; b < shape.sequences(); ++b) {
    for (int64_t t = 0; t < shape.length(b) && c.mask != Mask::none; ++t) mask.push_back(!chosen_mask(b, t));
    if (shape.length(b) > 0 && c.globals != Globals::none) {
      const auto chosen = choose_globals(c.globals, b, shape.length(b));
      globals.positions.insert(globals.positions.end(), chosen.begin(), chosen.end());
    }
    globals.offsets.push_back(std::ssize(globals.positions));
  }
  if (c.mask != Mask::none) shape.mask = Tensor::from({shape.tokens()}, mask);
  if (c.globals != Globals::none) shape.globals = std::make_shared<GlobalTokens>(std::move(globals));
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
  std::vector<Element> context, dqkv, dr;  // dqkv (N, 3, H, K)
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
Tensor tensor_of(const Shape& shape, const std::vector<double>& values) {
  return Tensor::from(shape, converted<Element>(values));
}
template <class Element>
std::vector<Element> values_of(const Tensor& x) {
  if (!x.defined()) return {};
  return {x.data<Element>(), x.data<Element>() + x.elements()};
}
inline Tensor poisoned(const Shape& shape, DType dtype) {
  return Tensor::full(shape, dtype, std::numeric_limits<double>::quiet_NaN());
}

// Runs both passes on a fused (N, 3, H, K) projection, all outputs poisoned beforehand.
template <class Element>
Results<Element> run(const Problem& problem) {
  using F = Accumulator<Element>;
  constexpr DType kType = DTypeOf<Element>::value, kSums = DTypeOf<F>::value;
  const auto& [shape, x] = std::tie(problem.shape, problem.inputs);
  const int64_t N = shape.tokens(), H = shape.H, K = shape.K;
  std::vector<double> fused;
  for (int64_t token = 0; token < N; ++token) {
    for (const auto* part : {&x.q, &x.k, &x.v}) {
      fused.insert(fused.end(), part->begin() + token * H * K, part->begin() + (token + 1) * H * K);
    }
  }
  const kernels::TokenTensors qkv{.packed = tensor_of<Element>({N, 3, H, K}, fused)},
      dqkv{.packed = poisoned({N, 3, H, K}, kType)};
  kernels::RelativeTensors relative, drelative;
  if (!x.r.empty()) {
    relative = {tensor_of<F>({H, K}, x.u), tensor_of<F>({H, K}, x.v_bias),
                tensor_of<Element>({x.rows, H, K}, x.r), x.zero_row};
    drelative = {poisoned({H, K}, kSums), poisoned({H, K}, kSums), poisoned({x.rows, H, K}, kType)};
  }
  Tensor context = poisoned({N, H, K}, kType), lse = poisoned({H, N}, kSums);
  kernels::window_attention(shape, qkv, relative, context, lse);
  Tensor overwritten = context.clone(), dcontext = tensor_of<Element>({N, H, K}, problem.dcontext);
  for (int64_t row = 0; row < N; ++row) {
    if (!oracle::is_global_row(shape, row)) continue;
    for (Tensor* at : {&overwritten, &dcontext})
      at->slice(row, row + 1).copy_from(poisoned({1, H, K}, kType));
  }
  kernels::window_attention_backward(shape, qkv, relative, overwritten, lse, dcontext, dqkv, drelative);
  return {values_of<Element>(context), values_of<Element>(dqkv.packed), values_of<Element>(drelative.r),
          values_of<F>(lse),           values_of<F>(drelative.u),       values_of<F>(drelative.v)};
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

}  // namespace lf::window_attention_tests
