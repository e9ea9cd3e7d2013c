#include "tests/core/kernels/attention/attention_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lf::oracle {
namespace {

// One query row against all keys: which it sees, with which probability, and which survive dropout.
struct Row {
  std::vector<char> seen;
  std::vector<double> probability;  // before dropout
  std::vector<double> keep;         // 0 or 1 / (1 - p)
  double lse = -std::numeric_limits<double>::infinity();
};

int64_t dilation_of(const WindowAttentionShape& shape, int64_t h) {
  return shape.dilation.empty() ? 1 : shape.dilation[h];
}

bool in_band(const WindowAttentionShape& shape, int64_t h, int64_t i, int64_t j) {
  const int64_t D = dilation_of(shape, h);
  if ((j - i) % D != 0) return false;
  const int64_t step = (j - i) / D;
  return -shape.left <= step && step <= shape.right;
}

double keep_factor(const WindowAttentionShape& shape, int64_t b, int64_t h, int64_t i, int64_t j) {
  if (!shape.dropout.active()) return 1.0;
  const int64_t total = shape.total_tokens == 0 ? shape.T : shape.total_tokens;
  const int64_t row = ((shape.first_row + b) * shape.H + h) * total + shape.first_token + i;
  const uint64_t element = static_cast<uint64_t>(row * total + shape.first_token + j);
  const bool kept = dropout_bits(philox(shape.dropout.key, element / 8), element) >=
                    dropout_threshold(shape.dropout.probability);
  return kept ? 1.0 / (1.0 - shape.dropout.probability) : 0.0;
}

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Turns scores (only where seen) into probabilities.
void softmax(Row& row, const std::vector<double>& score) {
  double highest = -std::numeric_limits<double>::infinity();
  for (size_t j = 0; j < score.size(); ++j) {
    if (row.seen[j]) highest = std::max(highest, score[j]);
  }
  if (std::isinf(highest)) return;
  double sum = 0;
  for (size_t j = 0; j < score.size(); ++j) {
    if (row.seen[j]) sum += std::exp(score[j] - highest);
  }
  row.lse = highest + std::log(sum);
  for (size_t j = 0; j < score.size(); ++j) {
    if (row.seen[j]) row.probability[j] = std::exp(score[j] - row.lse);
  }
}

// The distance row of r that query i and key j share, or null for a global key.
const double* relative_row(const WindowAttentionShape& shape, const AttentionInputs& x, int64_t b, int64_t h,
                           int64_t i, int64_t j) {
  if (x.r.empty() || is_global(shape, b, j)) return nullptr;
  return &x.r.at(((x.zero_row + i - j) * shape.H + h) * shape.K);
}

bool is_local_query(const WindowAttentionShape& shape, int64_t b, int64_t i) {
  const int64_t end = shape.query_end < 0 ? shape.T : shape.query_end;
  return i >= shape.query_begin && i < end && is_valid(shape, b, i) && !is_global(shape, b, i);
}

Row local_row(const WindowAttentionShape& shape, const AttentionInputs& x, int64_t b, int64_t h, int64_t i) {
  const auto [T, H, K] = std::array{shape.T, shape.H, shape.K};
  Row row{std::vector<char>(T), std::vector<double>(T), std::vector<double>(T)};
  std::vector<double> score(T), content(K), position(K);
  for (int64_t c = 0; c < K; ++c) {
    content[c] = x.q[((b * T + i) * H + h) * K + c] + (x.r.empty() ? 0 : x.u[h * K + c]);
    position[c] = x.q[((b * T + i) * H + h) * K + c] + (x.r.empty() ? 0 : x.v_bias[h * K + c]);
  }
  for (int64_t j = 0; j < T; ++j) {
    row.seen[j] = is_local_query(shape, b, i) && is_valid(shape, b, j) &&
                  (is_global(shape, b, j) || in_band(shape, h, i, j));
    if (!row.seen[j]) continue;
    score[j] = dot(content.data(), &x.k[((b * T + j) * H + h) * K], K);
    const double* r = relative_row(shape, x, b, h, i, j);
    if (r != nullptr) score[j] += dot(position.data(), r, K);
    score[j] *= shape.scale;
    row.keep[j] = keep_factor(shape, b, h, i, j);
  }
  softmax(row, score);
  return row;
}

// Global row n of batch row b at position i: q is (N, H, K).
Row global_row(const WindowAttentionShape& shape, const AttentionInputs& x, int64_t b, int64_t h, int64_t n,
               int64_t i) {
  const auto [T, H, K] = std::array{shape.T, shape.H, shape.K};
  Row row{std::vector<char>(T), std::vector<double>(T), std::vector<double>(T)};
  std::vector<double> score(T);
  for (int64_t j = 0; j < T; ++j) {
    row.seen[j] = is_valid(shape, b, i) && is_valid(shape, b, j);
    if (!row.seen[j]) continue;
    score[j] = shape.scale * dot(&x.q[(n * H + h) * K], &x.k[((b * T + j) * H + h) * K], K);
    row.keep[j] = keep_factor(shape, b, h, i, j);
  }
  softmax(row, score);
  return row;
}

void add_context(const Row& row, const double* values, int64_t stride, int64_t K, double* context) {
  for (size_t j = 0; j < row.seen.size(); ++j) {
    if (!row.seen[j]) continue;
    for (int64_t c = 0; c < K; ++c) context[c] += row.probability[j] * row.keep[j] * values[j * stride + c];
  }
}

// dS of one row: P * (keep * dO.V - sum over keys of P * keep * dO.V).
std::vector<double> score_gradient(const Row& row, const double* dcontext, const double* values,
                                   int64_t stride, int64_t K) {
  const size_t T = row.seen.size();
  std::vector<double> dp(T), ds(T);
  double mean = 0;
  for (size_t j = 0; j < T; ++j) {
    if (row.seen[j]) dp[j] = row.keep[j] * dot(dcontext, values + j * stride, K);
    mean += row.probability[j] * dp[j];
  }
  for (size_t j = 0; j < T; ++j) ds[j] = row.probability[j] * (dp[j] - mean);
  return ds;
}

AttentionGradients zero_gradients(const AttentionInputs& x) {
  const auto zeros = [](const std::vector<double>& like) { return std::vector<double>(like.size()); };
  return {zeros(x.q), zeros(x.k), zeros(x.v), zeros(x.u), zeros(x.v_bias), zeros(x.r)};
}

}  // namespace

bool is_valid(const WindowAttentionShape& shape, int64_t b, int64_t token) {
  return shape.key_mask == nullptr || shape.key_mask[b * shape.T + token] != 0;
}

bool is_global(const WindowAttentionShape& shape, int64_t b, int64_t token) {
  if (shape.global_offsets == nullptr) return false;
  for (int64_t n = shape.global_offsets[b]; n < shape.global_offsets[b + 1]; ++n) {
    if (shape.global_positions[n] == token) return true;
  }
  return false;
}

AttentionOutputs oracle_window_forward(const WindowAttentionShape& shape, const AttentionInputs& x) {
  const auto [B, T, H, K] = std::array{shape.B, shape.T, shape.H, shape.K};
  AttentionOutputs out{std::vector<double>(B * T * H * K), std::vector<double>(B * H * T)};
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t i = 0; i < T; ++i) {
        const Row row = local_row(shape, x, b, h, i);
        out.lse[(b * H + h) * T + i] = row.lse;
        add_context(row, &x.v[(b * T * H + h) * K], H * K, K, &out.context[((b * T + i) * H + h) * K]);
      }
    }
  }
  return out;
}

AttentionGradients oracle_window_backward(const WindowAttentionShape& shape, const AttentionInputs& x,
                                          const std::vector<double>& dcontext) {
  const auto [B, T, H, K] = std::array{shape.B, shape.T, shape.H, shape.K};
  AttentionGradients g = zero_gradients(x);
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t i = 0; i < T; ++i) {
        const Row row = local_row(shape, x, b, h, i);
        const int64_t at_i = ((b * T + i) * H + h) * K;
        const auto ds = score_gradient(row, &dcontext[at_i], &x.v[(b * T * H + h) * K], H * K, K);
        for (int64_t j = 0; j < T; ++j) {
          if (!row.seen[j]) continue;
          const int64_t at_j = ((b * T + j) * H + h) * K;
          const double* r = relative_row(shape, x, b, h, i, j);
          for (int64_t c = 0; c < K; ++c) {
            const double d = shape.scale * ds[j];
            g.dq[at_i + c] += d * (x.k[at_j + c] + (r != nullptr ? r[c] : 0));
            g.dk[at_j + c] += d * (x.q[at_i + c] + (x.r.empty() ? 0 : x.u[h * K + c]));
            g.dv[at_j + c] += row.probability[j] * row.keep[j] * dcontext[at_i + c];
            if (!x.r.empty()) g.du[h * K + c] += d * x.k[at_j + c];
            if (r != nullptr) {
              g.dv_bias[h * K + c] += d * r[c];
              g.dr[r - x.r.data() + c] += d * (x.q[at_i + c] + x.v_bias[h * K + c]);
            }
          }
        }
      }
    }
  }
  return g;
}

AttentionOutputs oracle_global_forward(const WindowAttentionShape& shape, const AttentionInputs& x) {
  const auto [B, T, H, K] = std::array{shape.B, shape.T, shape.H, shape.K};
  AttentionOutputs out{std::vector<double>(B * T * H * K), std::vector<double>(shape.global_offsets[B] * H)};
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t n = shape.global_offsets[b]; n < shape.global_offsets[b + 1]; ++n) {
      const int64_t i = shape.global_positions[n];
      for (int64_t h = 0; h < H; ++h) {
        const Row row = global_row(shape, x, b, h, n, i);
        out.lse[n * H + h] = row.lse;
        add_context(row, &x.v[(b * T * H + h) * K], H * K, K, &out.context[((b * T + i) * H + h) * K]);
      }
    }
  }
  return out;
}

AttentionGradients oracle_global_backward(const WindowAttentionShape& shape, const AttentionInputs& x,
                                          const std::vector<double>& dcontext) {
  const auto [B, T, H, K] = std::array{shape.B, shape.T, shape.H, shape.K};
  AttentionGradients g = zero_gradients(x);
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t n = shape.global_offsets[b]; n < shape.global_offsets[b + 1]; ++n) {
      const int64_t i = shape.global_positions[n];
      for (int64_t h = 0; h < H; ++h) {
        const Row row = global_row(shape, x, b, h, n, i);
        const double* dcontext_row = &dcontext[((b * T + i) * H + h) * K];
        const auto ds = score_gradient(row, dcontext_row, &x.v[(b * T * H + h) * K], H * K, K);
        for (int64_t j = 0; j < T; ++j) {
          for (int64_t c = 0; c < K; ++c) {
            const int64_t at_j = ((b * T + j) * H + h) * K + c;
            g.dq[(n * H + h) * K + c] += shape.scale * ds[j] * x.k[at_j];
            g.dk[at_j] += shape.scale * ds[j] * x.q[(n * H + h) * K + c];
            g.dv[at_j] += row.probability[j] * row.keep[j] * dcontext_row[c];
          }
        }
      }
    }
  }
  return g;
}

}  // namespace lf::oracle
