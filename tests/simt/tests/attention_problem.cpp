#include "tests/simt/tests/attention_problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <utility>

#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"

namespace lf {
namespace {

std::vector<double> random_values(int64_t count, std::mt19937& generator) {
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = static_cast<float>(bf16(static_cast<float>(normal(generator))));
  return values;
}

Tensor upload(const Shape& shape, const std::vector<double>& values, DType dtype) {
  return cast(Tensor::from(shape, values), dtype).to(Device::cuda);
}
Tensor poisoned(const Shape& shape, DType dtype) {
  return Tensor::full(shape, dtype, std::numeric_limits<double>::quiet_NaN(), Device::cuda);
}

std::vector<double> interleave(const oracle::AttentionInputs& x, const oracle::CallShape& s) {
  std::vector<double> fused;
  const auto width = static_cast<std::ptrdiff_t>(s.H * s.K);
  for (std::ptrdiff_t token = 0; token < s.tokens(); ++token) {
    for (const auto* from : {&x.q, &x.k, &x.v})
      fused.insert(fused.end(), from->begin() + token * width, from->begin() + (token + 1) * width);
  }
  return fused;
}
std::vector<double> part_of(const std::vector<double>& fused, int64_t which, int64_t width) {
  std::vector<double> out;
  for (auto at = fused.begin() + which * width; at < fused.end(); at += 3 * width) {
    out.insert(out.end(), at, at + width);
    if (fused.end() - at < 3 * width) break;
  }
  return out;
}

// The rows of x that are not global (or are) as NaN.
std::vector<double> with_poison(std::vector<double> x, const AttentionProblem& problem, bool global_rows) {
  const int64_t width = problem.shape.H * problem.shape.K;
  for (int64_t row = 0; row < problem.shape.tokens(); ++row) {
    if (problem.is_global_row(row) != global_rows) continue;
    for (int64_t i = 0; i < width; ++i)
      x[static_cast<size_t>(row * width + i)] = std::numeric_limits<double>::quiet_NaN();
  }
  return x;
}

double rounded(double value) { return static_cast<float>(bf16(static_cast<float>(value))); }

// One query's pairs: keys that it sees, with distance rows (-1: none).
struct Pair {
  int64_t key, row;
};
using PairsOf = std::vector<Pair>;

class RoundedLoops {
 public:
  RoundedLoops(const AttentionProblem& problem, bool dense)
      : p_(problem), s_(problem.shape), x_(problem.inputs), dense_(dense) {
    const auto zeros = [](size_t count) { return std::vector<double>(count); };
    const size_t tokens = x_.q.size();
    const std::vector<double>& q = dense ? problem.global_q : x_.q;
    out_ = {zeros(tokens),      {},
            zeros(q.size()),    zeros(tokens),
            zeros(tokens),      zeros(x_.u.size()),
            zeros(x_.u.size()), zeros(x_.r.size())};
    for (int64_t b = 0; b < s_.sequences(); ++b) {
      for (int64_t h = 0; h < s_.H; ++h) {
        if (dense) {
          for (int64_t n = s_.globals->offsets[b]; n < s_.globals->offsets[b + 1]; ++n)
            row(b, h, s_.globals->positions[n], &q[static_cast<size_t>((n * s_.H + h) * s_.K)],
                &out_.dq[static_cast<size_t>((n * s_.H + h) * s_.K)]);
        } else {
          for (int64_t i = 0; i < s_.length(b); ++i) row(b, h, i, &q[at(b, i, h)], &out_.dq[at(b, i, h)]);
        }
      }
    }
    for (auto* values : {&out_.context, &out_.dq, &out_.dk, &out_.dv, &out_.dr})
      for (double& value : *values) value = rounded(value);
  }
  AttentionResults take() { return std::move(out_); }

 private:
  size_t at(int64_t b, int64_t t, int64_t h) const {
    return static_cast<size_t>(((s_.begin(b) + t) * s_.H + h) * s_.K);
  }
  PairsOf pairs_of(int64_t b, int64_t h, int64_t i) const {
    PairsOf pairs;
    const int64_t end = s_.query_end < 0 ? s_.length(b) : s_.query_end;
    const bool live = oracle::is_valid(s_, b, i) && oracle::is_global(s_, b, i) == dense_ &&
                      (dense_ || (i >= s_.query_begin && i < end));
    const int64_t D = s_.dilation.empty() ? 1 : s_.dilation[static_cast<size_t>(h)];
    for (int64_t j = 0; live && j < s_.length(b); ++j) {
      if (!oracle::is_valid(s_, b, j)) continue;
      const bool global = oracle::is_global(s_, b, j), in_step = (j - i) % D == 0;
      const bool band = in_step && (j - i) / D <= s_.right && (i - j) / D <= s_.left;
      if (dense_ || global || band)
        pairs.push_back({j, dense_ || global || x_.r.empty() ? -1 : x_.zero_row + i - j});
    }
    return pairs;
  }
  const double* distance(int64_t row, int64_t h) const {
    return row < 0 ? nullptr : &x_.r[static_cast<size_t>((row * s_.H + h) * s_.K)];
  }
  double keep(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (!s_.dropout.active()) return 1;
    const int64_t total = s_.total_tokens == 0 ? s_.longest() : s_.total_tokens;
    const int64_t line = ((s_.first_row + b) * s_.H + h) * total + s_.first_token + i;
    const auto element = static_cast<uint64_t>(line * total + oracle::place_in_whole(s_, b, j));
    const bool kept = dropout_bits(philox(s_.dropout.key, element / 8), element) >=
                      dropout_threshold(s_.dropout.probability);
    return kept ? 1 / (1 - s_.dropout.probability) : 0;
  }

  void row(int64_t b, int64_t h, int64_t i, const double* q, double* dq) {
    const PairsOf pairs = pairs_of(b, h, i);
    const int64_t K = s_.K, head = h * K;
    const auto bias = [&](const std::vector<double>& of, int64_t c) {
      return of.empty() ? 0 : of[static_cast<size_t>(head + c)];
    };
    std::vector<double> score;
    double highest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (const Pair& pair : pairs) {
      double s = 0;
      const double* const r = distance(pair.row, h);
      for (int64_t c = 0; c < K; ++c) {
        s += (q[c] + bias(x_.u, c)) * x_.k[at(b, pair.key, h) + static_cast<size_t>(c)];
        if (r) s += (q[c] + bias(x_.v_bias, c)) * r[c];
      }
      score.push_back(s * s_.scale);
      highest = std::max(highest, score.back());
    }
    for (const double s : score) sum += std::exp(s - highest);
    double* const context = &out_.context[at(b, i, h)];
    const double* const dcontext = &p_.dcontext[at(b, i, h)];
    for (size_t n = 0; n < pairs.size(); ++n) {
      const double factor = keep(b, h, i, pairs[n].key);
      const double e = rounded(std::exp(score[n] - highest)) * factor / sum;
      for (int64_t c = 0; c < K; ++c) context[c] += e * x_.v[at(b, pairs[n].key, h) + static_cast<size_t>(c)];
    }
    double delta = 0;
    for (int64_t c = 0; c < K; ++c) delta += rounded(context[c]) * dcontext[c];
    for (size_t n = 0; n < pairs.size(); ++n) {
      const size_t key = at(b, pairs[n].key, h);
      const double factor = keep(b, h, i, pairs[n].key), p = std::exp(score[n] - highest) / sum;
      double dp = 0;
      for (int64_t c = 0; c < K; ++c) dp += dcontext[c] * x_.v[key + static_cast<size_t>(c)];
      const double exact = p * (dp * factor - delta), ds = rounded(exact) * s_.scale;
      const double* const r = distance(pairs[n].row, h);
      for (int64_t c = 0; c < K; ++c) {
        const auto i_c = static_cast<size_t>(c), h_c = static_cast<size_t>(head + c);
        dq[c] += ds * (x_.k[key + i_c] + (r ? r[c] : 0));
        out_.dk[key + i_c] += ds * (q[c] + bias(x_.u, c));
        out_.dv[key + i_c] += rounded(p) * factor * dcontext[c];
        if (x_.u.empty()) continue;
        out_.du[h_c] += exact * s_.scale * x_.k[key + i_c];
        if (!r) continue;
        out_.dv_bias[h_c] += ds * r[c];
        out_.dr[static_cast<size_t>(pairs[n].row * s_.H * K + head + c)] += ds * (q[c] + bias(x_.v_bias, c));
      }
    }
  }

  const AttentionProblem& p_;
  const oracle::CallShape& s_;
  const oracle::AttentionInputs& x_;
  bool dense_;
  AttentionResults out_;
};

AttentionResults of_oracle(oracle::AttentionOutputs outputs, oracle::AttentionGradients gradients) {
  return {std::move(outputs.context),   std::move(outputs.lse),  std::move(gradients.dq),
          std::move(gradients.dk),      std::move(gradients.dv), std::move(gradients.du),
          std::move(gradients.dv_bias), std::move(gradients.dr)};
}

oracle::AttentionInputs global_inputs(const AttentionProblem& problem) {
  oracle::AttentionInputs inputs;
  inputs.q = problem.global_q, inputs.k = problem.inputs.k, inputs.v = problem.inputs.v;
  return inputs;
}

}  // namespace

AttentionProblem::AttentionProblem(const AttentionCase& c) {
  std::mt19937 generator(static_cast<uint32_t>(c.T * 131 + c.K * 7 + c.left));
  shape.offsets = kernels::equal_offsets(c.B, c.T);
  if (!c.lengths.empty()) shape.offsets = {0};
  for (const int64_t length : c.lengths) shape.offsets.push_back(shape.offsets.back() + length);
  shape.H = c.H, shape.K = c.K;
  shape.left = c.left, shape.right = c.right, shape.dilation = c.dilation;
  shape.scale = 1 / std::sqrt(static_cast<double>(c.K));
  shape.query_begin = c.query_begin, shape.query_end = c.query_end;
  shape.dropout = {c.dropout, {.seed = 77, .use = 3, .step = 5}};
  const int64_t count = shape.tokens() * c.H * c.K, longest = shape.longest();
  inputs.q = random_values(count, generator), inputs.k = random_values(count, generator);
  inputs.v = random_values(count, generator), dcontext = random_values(count, generator);
  if (c.relative) {
    int64_t most = 1;
    for (const int32_t D : c.dilation) most = std::max<int64_t>(most, D);
    inputs.zero_row = std::min(c.right * most, longest - 1);
    inputs.rows = inputs.zero_row + std::min(c.left * most, longest - 1) + 1;
    inputs.u = random_values(c.H * c.K, generator), inputs.v_bias = random_values(c.H * c.K, generator);
    inputs.r = random_values(inputs.rows * c.H * c.K, generator);
  }
  std::vector<uint8_t> mask;
  GlobalTokens globals{{0}, {}};
  for (int64_t b = 0; b < shape.sequences(); ++b) {
    const int64_t T = shape.length(b);
    for (int64_t t = 0; c.padding != Padding::none && t < T; ++t) {
      const bool padded = c.padding == Padding::ragged  ? t >= T - b * (T / 2) - 2
                          : c.padding == Padding::holes ? generator() % 3 == 0
                                                        : b == 0;
      mask.push_back(!padded);
    }
    const int64_t chosen = c.globals.empty() ? 0 : c.globals[static_cast<size_t>(b)];
    for (int64_t n = 0; n < chosen; ++n) globals.positions.push_back(n * T / chosen);  // spread over it
    globals.offsets.push_back(static_cast<int64_t>(globals.positions.size()));
  }
  if (c.padding != Padding::none) shape.mask = Tensor::from({shape.tokens()}, mask);
  if (c.globals.empty()) return;
  if (c.moved_globals) {
    shape.first_row = 1, shape.first_token = 1000, shape.total_tokens = 5000;
    for (const int64_t position : globals.positions) shape.global_places.push_back(3000 - 7 * position);
  }
  shape.globals = std::make_shared<GlobalTokens>(std::move(globals));
  global_q = random_values(shape.global_tokens() * c.H * c.K, generator);
}

AttentionResults run_window(const AttentionProblem& problem, bool backward, DType dtype) {
  const auto& [s, x] = std::tie(problem.shape, problem.inputs);
  const int64_t N = s.tokens();
  const Shape tokens{N, s.H, s.K}, bias{s.H, s.K}, distances{x.rows, s.H, s.K};
  const kernels::TokenTensors qkv{.packed = upload({N, 3, s.H, s.K}, interleave(x, s), dtype)};
  kernels::RelativeTensors relative, gradients;
  if (!x.r.empty()) {
    relative = {upload(bias, x.u, DType::f32), upload(bias, x.v_bias, DType::f32),
                upload(distances, x.r, dtype), x.zero_row};
    gradients = {poisoned(bias, DType::f32), poisoned(bias, DType::f32), poisoned(distances, dtype)};
  }
  Tensor context = poisoned(tokens, dtype), lse = poisoned({s.H, N}, DType::f32);
  kernels::window_attention(s, qkv, relative, context, lse);
  AttentionResults out{context.to_doubles(), lse.to_doubles(), {}, {}, {}, {}, {}, {}};
  if (!backward) return out;
  const Tensor overwritten = upload(tokens, with_poison(out.context, problem, true), dtype);
  const Tensor dcontext = upload(tokens, with_poison(problem.dcontext, problem, true), dtype);
  const kernels::TokenTensors dqkv{.packed = poisoned({N, 3, s.H, s.K}, dtype)};
  kernels::window_attention_backward(s, qkv, relative, overwritten, lse, dcontext, dqkv, gradients);
  const std::vector<double> fused = dqkv.packed.to_doubles();
  const int64_t width = s.H * s.K;
  out.dq = part_of(fused, 0, width), out.dk = part_of(fused, 1, width), out.dv = part_of(fused, 2, width);
  if (x.r.empty()) return out;
  out.du = gradients.u.to_doubles(), out.dv_bias = gradients.v.to_doubles(),
  out.dr = gradients.r.to_doubles();
  return out;
}

AttentionResults run_global(const AttentionProblem& problem, bool backward) {
  const auto& [s, x] = std::tie(problem.shape, problem.inputs);
  const Shape tokens{s.tokens(), s.H, s.K}, listed{s.global_tokens(), s.H, s.K};
  const Tensor q = upload(listed, problem.global_q, DType::bf16), k = upload(tokens, x.k, DType::bf16),
               v = upload(tokens, x.v, DType::bf16);
  Tensor context = Tensor::zeros(tokens, DType::bf16, Device::cuda);
  Tensor lse = poisoned({s.global_tokens(), s.H}, DType::f32);
  const kernels::DenseCall call = kernels::global_queries(s);
  Tensor rows = poisoned(listed, DType::bf16), drows = poisoned(listed, DType::bf16);
  kernels::dense_attention(call, q, k, v, rows, lse);
  kernels::put_global_rows(s, rows, context);
  AttentionResults out{context.to_doubles(), lse.to_doubles(), {}, {}, {}, {}, {}, {}};
  if (!backward) return out;
  const Tensor dcontext = upload(tokens, with_poison(problem.dcontext, problem, false), DType::bf16);
  Tensor dq = poisoned(listed, DType::bf16), dk = poisoned(tokens, DType::bf16), dv = Tensor::like(dk);
  dv.copy_from(dk);
  kernels::take_global_rows(s, dcontext, drows);
  kernels::dense_attention_backward(call, q, k, v, rows, lse, drows, dq, dk, dv);
  out.dq = dq.to_doubles(), out.dk = dk.to_doubles(), out.dv = dv.to_doubles();
  return out;
}

AttentionResults oracle_window(const AttentionProblem& problem, bool backward) {
  return of_oracle(oracle::oracle_window_forward(problem.shape, problem.inputs),
                   backward ? oracle::oracle_window_backward(problem.shape, problem.inputs, problem.dcontext)
                            : oracle::AttentionGradients{});
}
AttentionResults oracle_global(const AttentionProblem& problem, bool backward) {
  const oracle::AttentionInputs inputs = global_inputs(problem);
  return of_oracle(oracle::oracle_global_forward(problem.shape, inputs),
                   backward ? oracle::oracle_global_backward(problem.shape, inputs, problem.dcontext)
                            : oracle::AttentionGradients{});
}

AttentionResults rounded_window(const AttentionProblem& problem) {
  return RoundedLoops(problem, false).take();
}
AttentionResults rounded_global(const AttentionProblem& problem) {
  return RoundedLoops(problem, true).take();
}

double relative_error(const std::vector<double>& received, const std::vector<double>& expected) {
  double difference = 0, size = 0;
  if (received.size() != expected.size()) return std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isinf(expected[i]) && received[i] == expected[i]) continue;
    if (!std::isfinite(received[i])) return std::numeric_limits<double>::infinity();
    difference += (received[i] - expected[i]) * (received[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

}  // namespace lf
