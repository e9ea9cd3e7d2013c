#include "core/kernels/attention/pairs.h"

#include <algorithm>
#include <map>

namespace lf::kernels {
namespace {

// Of one sequence's tokens, which may be keys and which are local.
struct TokenCounts {
  std::vector<char> is_local;  // (T); empty: all are
  int64_t globals = 0;         // not padded
};

TokenCounts tokens_of(const AttentionCall& call, int64_t b) {
  const int64_t T = call.length(b);
  TokenCounts counts{.globals = 0};
  const bool has_globals = call.globals && call.globals->offsets[static_cast<size_t>(b)] <
                                               call.globals->offsets[static_cast<size_t>(b + 1)];
  if (!call.mask.defined() && !has_globals) return counts;
  counts.is_local.assign(static_cast<size_t>(T), 1);
  if (call.mask.defined()) {
    const uint8_t* mask = call.mask.data<uint8_t>() + call.begin(b);
    std::transform(mask, mask + T, counts.is_local.begin(), [](uint8_t valid) { return valid != 0; });
  }
  if (!has_globals) return counts;
  const auto& [offsets, positions] = *call.globals;
  for (int64_t n = offsets[static_cast<size_t>(b)]; n < offsets[static_cast<size_t>(b + 1)]; ++n) {
    char& local = counts.is_local[static_cast<size_t>(positions[static_cast<size_t>(n)])];
    counts.globals += local;
    local = 0;
  }
  return counts;
}

// Pairs of a sequence of n tokens that all are local and queries.
double whole_band(int64_t n, int64_t left, int64_t right) {
  const auto before = [n](int64_t steps) {
    const auto most = static_cast<double>(std::min(steps, n - 1));
    return most * static_cast<double>(n) - most * (most + 1) / 2;
  };
  return n == 0 ? 0 : static_cast<double>(n) + before(left) + before(right);
}

// Pairs of one head with dilation D, and its local queries, in a sequence where tokens differ.
double mixed_band(const AttentionCall& call, const std::vector<char>& is_local, int64_t begin, int64_t end,
                  int64_t D, double& queries) {
  const auto T = static_cast<int64_t>(is_local.size());
  double pairs = 0;
  std::vector<int64_t> before;  // local keys of the class before index i
  for (int64_t first = 0; first < std::min(D, T); ++first) {
    const int64_t n = (T - first + D - 1) / D;
    before.assign(1, 0);
    for (int64_t i = 0; i < n; ++i)
      before.push_back(before.back() + is_local[static_cast<size_t>(first + i * D)]);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t token = first + i * D;
      if (!is_local[static_cast<size_t>(token)] || token < begin || token >= end) continue;
      queries += 1;
      const int64_t from = i - std::min(i, call.left), to = i + 1 + std::min(n - 1 - i, call.right);
      pairs += static_cast<double>(before[static_cast<size_t>(to)] - before[static_cast<size_t>(from)]);
    }
  }
  return pairs;
}

// Adds one sequence's pairs for `heads` heads of dilation D.
void add_sequence(const AttentionCall& call, int64_t b, const TokenCounts& counts, int64_t D, double heads,
                  AttentionPairs& pairs) {
  const int64_t T = call.length(b), begin = call.query_begin, end = call.query_end < 0 ? T : call.query_end;
  double band = 0;
  auto queries = static_cast<double>(T);
  if (counts.is_local.empty() && begin == 0 && end == T) {
    const auto longer = static_cast<double>(T % D), shorter = static_cast<double>(D - T % D);
    band = longer * whole_band(T / D + 1, call.left, call.right) +
           shorter * whole_band(T / D, call.left, call.right);
  } else {
    queries = 0;
    const std::vector<char> all(static_cast<size_t>(T), 1);
    band = mixed_band(call, counts.is_local.empty() ? all : counts.is_local, begin, end, D, queries);
  }
  pairs.band += heads * band;
  pairs.global_keys += heads * queries * static_cast<double>(counts.globals);
}

}  // namespace

AttentionPairs attention_pairs(const AttentionCall& call, int64_t H) {
  std::map<int64_t, double> heads;  // by dilation
  for (int64_t h = 0; h < H; ++h)
    heads[call.dilation.empty() ? 1 : call.dilation[static_cast<size_t>(h)]] += 1;
  AttentionPairs pairs;
  for (int64_t b = 0; b < call.sequences(); ++b) {
    const TokenCounts counts = tokens_of(call, b);
    for (const auto& [D, count] : heads) add_sequence(call, b, counts, D, count, pairs);
  }
  return pairs;
}

double dense_pairs(const DenseCall& call, int64_t H) {
  double pairs = 0;
  std::vector<int64_t> before;  // valid keys before each of a sequence
  for (size_t b = 0; b + 1 < call.key_offsets.size(); ++b) {
    const int64_t first = call.key_offsets[b], keys = call.key_offsets[b + 1] - first;
    before.assign(1, 0);
    for (int64_t j = 0; j < keys; ++j)
      before.push_back(before.back() + (!call.mask.defined() || call.mask.data<uint8_t>()[first + j] != 0));
    for (int64_t m = call.query_offsets[b]; m < call.query_offsets[b + 1]; ++m) {
      const int64_t position =
          call.positions.empty() ? m - call.query_offsets[b] : call.positions[static_cast<size_t>(m)];
      if (position < 0) continue;
      const int64_t seen = call.causal ? std::min(position + 1, keys) : keys;
      pairs += static_cast<double>(before[static_cast<size_t>(seen)]);
    }
  }
  return static_cast<double>(H) * pairs;
}

double window_operations(const AttentionPairs& pairs, int64_t K, bool relative) {
  return 2 * static_cast<double>(K) * ((relative ? 3 : 2) * pairs.band + 2 * pairs.global_keys);
}

double dense_operations(double pairs, int64_t K) { return 2 * static_cast<double>(K) * 2 * pairs; }

double window_backward_operations(const AttentionPairs& pairs, int64_t K, bool relative) {
  return 2 * static_cast<double>(K) * ((relative ? 8 : 5) * pairs.band + 5 * pairs.global_keys);
}

double dense_backward_operations(double pairs, int64_t K) { return 2 * static_cast<double>(K) * 5 * pairs; }

}  // namespace lf::kernels
