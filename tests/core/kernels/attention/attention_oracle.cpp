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

int64_t dilation_of(const CallShape& shape, int64_t h) {
  return shape.dilation.empty() ? 1 : shape.dilation[h];
}

bool in_band(const CallShape& shape, int64_t h, int64_t i, int64_t j) {
  const int64_t D = dilation_of(shape, h);
  if ((j - i) % D != 0) return false;
  const int64_t step = (j - i) / D;
  return -shape.left <= step && step <= shape.right;
}

double keep_factor(const CallShape& shape, int64_t b, int64_t h, int64_t i, int64_t j) {
  if (!shape.dropout.active()) return 1.0;
  const int64_t total = shape.total_tokens == 0 ? shape.longest() : shape.total_tokens;
  const int64_t row = ((shape.first_row + b) * shape.H + h) * total + shape.first_token + i;
  const uint64_t element = static_cast<uint64_t>(row * total + place_in_whole(shape, b, j));
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
const double* relative_row(const CallShape& shape, const AttentionInputs& x, int64_t b, int64_t h, int64_t i,
                           int64_t j) {
  if (x.r.empty() || is_global(shape, b, j)) return nullptr;
  return &x.r.at(((x.zero_row + i - j) * shape.H + h) * shape.K);
}

// Where q, k, v and context keep token t of sequence b and head h.
size_t place(const CallShape& shape, int64_t b, int64_t t, int64_t h) {
  return static_cast<size_t>(((shape.begin(b) + t) * shape.H + h) * shape.K);
}

bool is_local_query(const CallShape& shape, int64_t b, int64_t i) {
  const int64_t end = shape.query_end < 0 ? shape.length(b) : shape.query_end;
  return i >= shape.query_begin && i < end && is_valid(shape, b, i) && !is_global(shape, b, i);
}

// Which tokens of sequence b are global; a row of many keys asks for each.
std::vector<char> globals_of(const CallShape& shape, int64_t b) {
  std::vector<char> global(shape.length(b));
  if (!shape.globals) return global;
  const auto& [offsets, positions] = *shape.globals;
  for (int64_t n = offsets[b]; n < offsets[b + 1]; ++n) global.at(positions[n]) = 1;
  return global;
}

Row local_row(const CallShape& shape, const AttentionInputs& x, int64_t b, int64_t h, int64_t i) {
  const auto [T, H, K] = std::array{shape.length(b), shape.H, shape.K};
  Row row{std::vector<char>(T), std::vector<double>(T), std::vector<double>(T)};
  if (!is_local_query(shape, b, i)) return row;
  const std::vector<char> global = globals_of(shape, b);
  std::vector<double> score(T), content(K), position(K);
  for (int64_t c = 0; c < K; ++c) {
    content[c] = x.q[place(shape, b, i, h) + c] + (x.r.empty() ? 0 : x.u[h * K + c]);
    position[c] = x.q[place(shape, b, i, h) + c] + (x.r.empty() ? 0 : x.v_bias[h * K + c]);
  }
  for (int64_t j = 0; j < T; ++j) {
    row.seen[j] = is_valid(shape, b, j) && (global[j] || in_band(shape, h, i, j));
    if (!row.seen[j]) continue;
    score[j] = dot(content.data(), &x.k[place(shape, b, j, h)], K);
    const double* r = relative_row(shape, x, b, h, i, j);
    if (r != nullptr) score[j] += dot(position.data(), r, K);
    score[j] *= shape.scale;
    row.keep[j] = keep_factor(shape, b, h, i, j);
  }
  softmax(row, score);
  return row;
}

// Global row n of batch row b at position i: q is (N, H, K).
Row global_row(const CallShape& shape, const AttentionInputs& x, int64_t b, int64_t h, int64_t n, int64_t i) {
  const auto [T, H, K] = std::array{shape.length(b), shape.H, shape.K};
  Row row{std::vector<char>(T), std::vector<double>(T), std::vector<double>(T)};
  std::vector<double> score(T);
  for (int64_t j = 0; j < T; ++j) {
    row.seen[j] = is_valid(shape, b, i) && is_valid(shape, b, j);
    if (!row.seen[j]) continue;
    score[j] = shape.scale * dot(&x.q[(n * H + h) * K], &x.k[place(shape, b, j, h)], K);
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

bool is_valid(const CallShape& shape, int64_t b, int64_t token) {
  return !shape.mask.defined() || shape.mask.data<uint8_t>()[shape.begin(b) + token] != 0;
}

bool is_global(const CallShape& shape, int64_t b, int64_t token) {
  if (!shape.globals) return false;
  const auto& [offsets, positions] = *shape.globals;
  return std::find(positions.begin() + offsets[b], positions.begin() + offsets[b + 1], token) !=
         positions.begin() + offsets[b + 1];
}

int64_t place_in_whole(const CallShape& shape, int64_t b, int64_t token) {
  if (shape.global_places.empty() || !is_global(shape, b, token)) return shape.first_token + token;
  const auto& [offsets, positions] = *shape.globals;
  const auto listed = std::find(positions.begin() + offsets[b], positions.begin() + offsets[b + 1], token);
  return shape.global_places[listed - positions.begin()];
}

bool is_global_row(const CallShape& shape, int64_t row) {
  int64_t b = 0;
  while (shape.begin(b + 1) <= row) ++b;
  return is_global(shape, b, row - shape.begin(b));
}

AttentionOutputs oracle_window_forward(const CallShape& shape, const AttentionInputs& x) {
  const auto [B, H, K] = std::array{shape.sequences(), shape.H, shape.K};
  AttentionOutputs out{std::vector<double>(x.q.size()), std::vector<double>(H * shape.tokens())};
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t i = 0; i < shape.length(b); ++i) {
        const Row row = local_row(shape, x, b, h, i);
        out.lse[h * shape.tokens() + shape.begin(b) + i] = row.lse;
        add_context(row, &x.v[place(shape, b, 0, h)], H * K, K, &out.context[place(shape, b, i, h)]);
      }
    }
  }
  return out;
}

AttentionGradients oracle_window_backward(const CallShape& shape, const AttentionInputs& x,
                                          const std::vector<double>& dcontext) {
  const auto [B, H, K] = std::array{shape.sequences(), shape.H, shape.K};
  AttentionGradients g = zero_gradients(x);
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t i = 0; i < shape.length(b); ++i) {
        const Row row = local_row(shape, x, b, h, i);
        const size_t at_i = place(shape, b, i, h);
        const auto ds = score_gradient(row, &dcontext[at_i], &x.v[place(shape, b, 0, h)], H * K, K);
        for (int64_t j = 0; j < shape.length(b); ++j) {
          if (!row.seen[j]) continue;
          const size_t at_j = place(shape, b, j, h);
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

AttentionOutputs oracle_global_forward(const CallShape& shape, const AttentionInputs& x) {
  const auto [B, H, K] = std::array{shape.sequences(), shape.H, shape.K};
  AttentionOutputs out{std::vector<double>(x.k.size()), std::vector<double>(shape.global_tokens() * H)};
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t n = shape.globals->offsets[b]; n < shape.globals->offsets[b + 1]; ++n) {
      const int64_t i = shape.globals->positions[n];
      for (int64_t h = 0; h < H; ++h) {
        const Row row = global_row(shape, x, b, h, n, i);
        out.lse[n * H + h] = row.lse;
        add_context(row, &x.v[place(shape, b, 0, h)], H * K, K, &out.context[place(shape, b, i, h)]);
      }
    }
  }
  return out;
}

AttentionGradients oracle_global_backward(const CallShape& shape, const AttentionInputs& x,
                                          const std::vector<double>& dcontext) {
  const auto [B, H, K] = std::array{shape.sequences(), shape.H, shape.K};
  AttentionGradients g = zero_gradients(x);
  for (int64_t b = 0; b < B; ++b) {
    for (int64_t n = shape.globals->offsets[b]; n < shape.globals->offsets[b + 1]; ++n) {
      const int64_t i = shape.globals->positions[n];
      for (int64_t h = 0; h < H; ++h) {
        const Row row = global_row(shape, x, b, h, n, i);
        const double* dcontext_row = &dcontext[place(shape, b, i, h)];
        const auto ds = score_gradient(row, dcontext_row, &x.v[place(shape, b, 0, h)], H * K, K);
        for (int64_t j = 0; j < shape.length(b); ++j) {
          for (int64_t c = 0; c < K; ++c) {
            const size_t at_j = place(shape, b, j, h) + c;
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

namespace {

// Query n of sequence b against the sequence's keys.
Row dense_row(const kernels::DenseCall& call, int64_t H, int64_t K, const AttentionInputs& x, int64_t b,
              int64_t h, int64_t n) {
  const int64_t first = call.key_offsets[b], T = call.key_offsets[b + 1] - first;
  const auto longest = [](const std::vector<int64_t>& offsets) {
    int64_t most = 0;
    for (size_t i = 0; i + 1 < offsets.size(); ++i) most = std::max(most, offsets[i + 1] - offsets[i]);
    return most;
  };
  const int64_t rows = call.total_queries == 0 ? longest(call.query_offsets) : call.total_queries;
  const int64_t columns = call.total_keys == 0 ? longest(call.key_offsets) : call.total_keys;
  const int64_t position = call.positions.empty() ? n - call.query_offsets[b] : call.positions[n];
  Row row{std::vector<char>(T), std::vector<double>(T), std::vector<double>(T)};
  std::vector<double> score(T);
  for (int64_t j = 0; j < T; ++j) {
    const bool valid = !call.mask.defined() || call.mask.data<uint8_t>()[first + j] != 0;
    row.seen[j] = position >= 0 && valid && (!call.causal || j <= position);
    if (!row.seen[j]) continue;
    score[j] = call.scale * dot(&x.q[(n * H + h) * K], &x.k[((first + j) * H + h) * K], K);
    row.keep[j] = 1;
    if (!call.dropout.active()) continue;
    const int64_t line = ((call.first_row + b) * H + h) * rows + position;
    const auto element = static_cast<uint64_t>(line * columns + j);
    const bool kept = dropout_bits(philox(call.dropout.key, element / 8), element) >=
                      dropout_threshold(call.dropout.probability);
    row.keep[j] = kept ? 1 / (1 - call.dropout.probability) : 0;
  }
  softmax(row, score);
  return row;
}

// Calls f(b, h, n, row) for every query and head.
template <class F>
void for_each_dense_row(const kernels::DenseCall& call, int64_t H, int64_t K, const AttentionInputs& x,
                        F&& f) {
  for (int64_t b = 0; b + 1 < static_cast<int64_t>(call.query_offsets.size()); ++b) {
    for (int64_t n = call.query_offsets[b]; n < call.query_offsets[b + 1]; ++n) {
      for (int64_t h = 0; h < H; ++h) f(b, h, n, dense_row(call, H, K, x, b, h, n));
    }
  }
}

}  // namespace

AttentionOutputs oracle_dense_forward(const kernels::DenseCall& call, int64_t H, int64_t K,
                                      const AttentionInputs& x) {
  AttentionOutputs out{std::vector<double>(x.q.size()), std::vector<double>(x.q.size() / K)};
  for_each_dense_row(call, H, K, x, [&](int64_t b, int64_t h, int64_t n, const Row& row) {
    out.lse[n * H + h] = row.lse;
    add_context(row, x.v.data() + (call.key_offsets[b] * H + h) * K, H * K, K, &out.context[(n * H + h) * K]);
  });
  return out;
}

AttentionGradients oracle_dense_backward(const kernels::DenseCall& call, int64_t H, int64_t K,
                                         const AttentionInputs& x, const std::vector<double>& dcontext) {
  AttentionGradients g = zero_gradients(x);
  for_each_dense_row(call, H, K, x, [&](int64_t b, int64_t h, int64_t n, const Row& row) {
    const int64_t keys = (call.key_offsets[b] * H + h) * K, query = (n * H + h) * K;
    const auto ds = score_gradient(row, &dcontext[query], x.v.data() + keys, H * K, K);
    for (size_t j = 0; j < row.seen.size(); ++j) {
      for (int64_t c = 0; c < K; ++c) {
        const size_t key = keys + j * H * K + c;
        g.dq[query + c] += call.scale * ds[j] * x.k[key];
        g.dk[key] += call.scale * ds[j] * x.q[query + c];
        g.dv[key] += row.probability[j] * row.keep[j] * dcontext[query + c];
      }
    }
  });
  return g;
}

}  // namespace lf::oracle
