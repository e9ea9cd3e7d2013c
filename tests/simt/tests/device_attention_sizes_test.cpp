// The tensor-core kernels of window attention at the sizes that are timed. The oracle would take minutes for
// all of their rows; it computes a sample, each row from the tokens that it depends on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "tests/simt/tests/attention_problem.h"

namespace lf {
namespace {

const std::vector<AttentionCase>& cases() {
#ifdef LF_SIMULATED_CUDA  // which is slow
  static const std::vector<AttentionCase> all = {
      {"symmetric", 1, 450, 2, 64, 100, 100},
      {"causal", 1, 450, 2, 64, 200, 0},
      {"dropout", 1, 300, 2, 64, 70, 70, {}, Padding::none, {}, false, 0.1}};
#else
  static const std::vector<AttentionCase> all = {
      {"symmetric", 1, 4096, 2, 64, 256, 256},
      {"causal", 1, 4096, 2, 64, 1024, 0},
      {"dropout", 1, 4096, 2, 64, 256, 256, {}, Padding::none, {}, false, 0.1}};
#endif
  return all;
}

constexpr int64_t kTile = 64;  // of queries and keys

// Tokens from one to before another.
struct Range {
  int64_t begin, end;

  Range widened(int64_t before, int64_t behind, int64_t T) const {
    return {std::max<int64_t>(0, begin - before), std::min(T, end + behind)};
  }
};

// The tokens of each sequence of values (N, ...).
std::vector<double> tokens_of(const std::vector<double>& values, const oracle::CallShape& s,
                              const Range& tokens) {
  const int64_t width = std::ssize(values) / s.tokens();
  std::vector<double> result;
  for (int64_t b = 0; b < s.sequences(); ++b) {
    const auto row = values.begin() + s.begin(b) * width;
    result.insert(result.end(), row + tokens.begin * width, row + tokens.end * width);
  }
  return result;
}

// Some queries of a problem, with all tokens that they see or more.
struct Part {
  Part(const AttentionProblem& whole, const AttentionCase& c, const Range& queries, const Range& tokens)
      : problem(case_of(c, queries, tokens)) {
    const auto& s = whole.shape;
    const auto& x = whole.inputs;
    problem.inputs.q = tokens_of(x.q, s, tokens), problem.inputs.k = tokens_of(x.k, s, tokens);
    problem.inputs.v = tokens_of(x.v, s, tokens), problem.dcontext = tokens_of(whole.dcontext, s, tokens);
    problem.shape.first_token = tokens.begin,
    problem.shape.total_tokens = s.longest();  // dropout's bits are the whole's
  }

  static AttentionCase case_of(AttentionCase c, const Range& queries, const Range& tokens) {
    c.T = tokens.end - tokens.begin;
    c.query_begin = queries.begin - tokens.begin, c.query_end = queries.end - tokens.begin;
    return c;
  }

  AttentionProblem problem;
};

// Values of sampled tokens, as the device, rounded loops and the oracle have them.
struct Sample {
  std::vector<double> received, rounded, exact;

  void add(const std::vector<double>& of_whole, const oracle::CallShape& whole, const Range& sampled,
           const std::vector<double>& of_rounded, const std::vector<double>& of_exact,
           const oracle::CallShape& part) {
    const Range in_part{sampled.begin - part.first_token, sampled.end - part.first_token};
    const auto append = [](std::vector<double>& to, const std::vector<double>& values) {
      to.insert(to.end(), values.begin(), values.end());
    };
    append(received, tokens_of(of_whole, whole, sampled));
    append(rounded, tokens_of(of_rounded, part, in_part));
    append(exact, tokens_of(of_exact, part, in_part));
  }

  void expect_close(const char* what, int64_t width) const {
    constexpr double kLeast = 1e-5;  // of a row that is nothing but f32's rounding: a first query's gradient
    for (int64_t at = 0; at < std::ssize(exact); at += width) {
      const auto row = [&](const std::vector<double>& x) {
        return std::vector<double>(x.begin() + at, x.begin() + at + width);
      };
      const double reference = relative_error(row(rounded), row(exact));
      EXPECT_LE(relative_error(row(received), row(exact)), 2 * reference + kLeast)
          << what << ' ' << at / width;
    }
  }
};

// 64 or so: the first and last, those at borders of tiles and windows, others evenly spread.
std::set<int64_t> sampled_queries(const AttentionCase& c) {
  std::set<int64_t> tokens;
  for (const int64_t border :
       {int64_t{0}, kTile, c.left, c.T / 2 / kTile * kTile, c.T - c.left, c.T - kTile, c.T}) {
    for (const int64_t token : {border - 1, border, border + 1})
      if (token >= 0 && token < c.T) tokens.insert(token);
  }
  constexpr int64_t kSpread = 46;
  for (int64_t i = 0; i < kSpread; ++i) tokens.insert(i * (c.T - 1) / kSpread);
  return tokens;
}

// 64: neighbours share the queries that see them.
std::vector<Range> sampled_keys(const AttentionCase& c) {
  const int64_t middle = c.T / 2 / kTile * kTile, behind = c.T - c.left;
  return {{0, 16}, {middle - 8, middle + 8}, {behind - 8, behind + 8}, {c.T - 16, c.T}};
}

class DeviceAttentionSizes : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(DeviceAttentionSizes, EqualTheOracleInSampledRows) {
  const AttentionCase& c = GetParam();
  const AttentionProblem whole(c);
  const AttentionResults received = run_window(whole, true);
  Sample context, dq, dk, dv;
  for (const int64_t token : sampled_queries(c)) {
    const Range query{token, token + 1};
    const Part part(whole, c, query, query.widened(c.left, c.right, c.T));
    const auto& s = part.problem.shape;
    const AttentionResults exact = oracle_window(part.problem, true), rounded = rounded_window(part.problem);
    context.add(received.context, whole.shape, query, rounded.context, exact.context, s);
    dq.add(received.dq, whole.shape, query, rounded.dq, exact.dq, s);
    for (int64_t h = 0; h < c.H; ++h) {
      const double lse = exact.lse[static_cast<size_t>(h * s.tokens() + token - s.first_token)];
      EXPECT_NEAR(received.lse[static_cast<size_t>(h * c.T + token)], lse, 1e-5 * std::abs(lse)) << token;
    }
  }
  for (const Range& keys : sampled_keys(c)) {
    const Range queries = keys.widened(c.right, c.left, c.T);
    const Part part(whole, c, queries, queries.widened(c.left, c.right, c.T));
    const auto& s = part.problem.shape;
    const AttentionResults exact = oracle_window(part.problem, true), rounded = rounded_window(part.problem);
    dk.add(received.dk, whole.shape, keys, rounded.dk, exact.dk, s);
    dv.add(received.dv, whole.shape, keys, rounded.dv, exact.dv, s);
  }
  const int64_t width = c.H * c.K;
  context.expect_close("context", width), dq.expect_close("dq", width);
  dk.expect_close("dk", width), dv.expect_close("dv", width);
}

INSTANTIATE_TEST_SUITE_P(Timed, DeviceAttentionSizes, ::testing::ValuesIn(cases()),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace lf
