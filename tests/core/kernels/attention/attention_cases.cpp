#include "tests/core/kernels/attention/attention_cases.h"

#include <algorithm>
#include <utility>

#include "autograd/ops.h"

namespace lf {
namespace {

using In = const std::vector<Var>&;

struct Sizes {
  int64_t B, T, H, K;
};

AttentionPattern window(int64_t left, int64_t right, std::vector<int32_t> dilation = {}) {
  AttentionPattern pattern;
  pattern.left = left, pattern.right = right, pattern.dilation = std::move(dilation);
  return pattern;
}

// Hides the last token of row 0, and token 1 and the last three of the others.
AttentionPattern padded(AttentionPattern pattern, const Sizes& s) {
  std::vector<uint8_t> mask(static_cast<size_t>(s.B * s.T), 1);
  for (int64_t b = 0; b < s.B; ++b) {
    for (int64_t t = 0; t < s.T; ++t) {
      const bool hidden = b == 0 ? t + 1 == s.T : t == 1 || t + 3 >= s.T;
      if (hidden) mask[static_cast<size_t>(b * s.T + t)] = 0;
    }
  }
  pattern.key_mask = Tensor::from({s.B, s.T}, mask);
  return pattern;
}

AttentionPattern with_globals(AttentionPattern pattern, const std::vector<std::vector<int64_t>>& rows) {
  GlobalTokens tokens{{0}, {}};
  for (const auto& row : rows) {
    tokens.positions.insert(tokens.positions.end(), row.begin(), row.end());
    tokens.offsets.push_back(static_cast<int64_t>(tokens.positions.size()));
  }
  pattern.global_tokens = std::make_shared<const GlobalTokens>(std::move(tokens));
  return pattern;
}

AttentionPattern ragged(AttentionPattern pattern, const std::vector<int64_t>& offsets) {
  pattern.offsets = offsets;
  if (pattern.key_mask.defined()) pattern.key_mask = pattern.key_mask.view({offsets.back()});
  return pattern;
}

AttentionPattern dropping(AttentionPattern pattern, double probability) {
  pattern.dropout = {probability, {.seed = 11, .use = 9, .step = 2}};
  return pattern;
}

// Axes of tokens, then others: (B, T, ...), or (N, ...) of a ragged batch, whose T is N and B is 1.
Shape tokens_then(const Sizes& s, const AttentionPattern& pattern, std::initializer_list<int64_t> more) {
  std::vector<int64_t> dims{s.B, s.T};
  if (!pattern.offsets.empty()) dims = {s.T};
  dims.insert(dims.end(), more);
  return Shape(dims);
}

OpCase packed(const char* name, const Sizes& s, const AttentionPattern& pattern, bool large = false) {
  return {name,
          {{tokens_then(s, pattern, {3, s.H, s.K})}},
          [pattern](In x, DType) { return window_attention(x[0], pattern); },
          large};
}

// With r one row longer at both ends than needed.
OpCase relative(const char* name, const Sizes& s, const AttentionPattern& pattern, bool large = false) {
  const int64_t reach = pattern.dilation.empty() ? 1 : std::ranges::max(pattern.dilation);
  const int64_t zero_row = pattern.right ? std::min(pattern.right * reach, s.T - 1) + 1 : 0;
  const int64_t rows = zero_row + std::min(pattern.left * reach, s.T - 1) + 2;
  const OpInput bias{{s.H, s.K}, InputKind::parameter};
  return {name,
          {{tokens_then(s, pattern, {3, s.H, s.K})}, bias, bias, {{rows, s.H, s.K}}},
          [=](In x, DType) {
            const RelativeTerm term{x[1], x[2], x[3], zero_row};
            return window_attention(x[0], pattern, &term);
          },
          large};
}

OpCase separate(const char* name, const Sizes& s, const AttentionPattern& pattern) {
  const OpInput input{tokens_then(s, pattern, {s.H, s.K})};
  return {name, {input, input, input}, [pattern](In x, DType) {
            return window_attention(x[0], x[1], x[2], pattern);
          }};
}

OpCase dense_rows(const char* name, const Sizes& s, const AttentionPattern& pattern, bool large = false) {
  const OpInput whole{tokens_then(s, pattern, {s.H, s.K})};
  const auto tokens = static_cast<int64_t>(pattern.global_tokens->positions.size());
  return {name,
          {whole, {{tokens, s.H, s.K}}, whole, whole},
          [pattern](In x, DType) { return global_attention(x[0], x[1], x[2], x[3], pattern); },
          large};
}

OpCase dense(const char* name, int64_t H, int64_t K, const DensePattern& pattern, bool large = false) {
  const OpInput queries{{pattern.query_offsets.back(), H, K}}, keys{{pattern.key_offsets.back(), H, K}};
  return {name,
          {queries, keys, keys},
          [pattern](In x, DType) { return dense_attention(x[0], x[1], x[2], pattern); },
          large};
}

// Dense attention between sequences of different length, over those of one, and with holes.
std::vector<OpCase> dense_cases() {
  const DensePattern cross{.query_offsets = {0, 3, 4, 9}, .key_offsets = {0, 7, 9, 10}};
  DensePattern causal{.query_offsets = {0, 5, 6, 11}, .key_offsets = {0, 5, 6, 11}, .causal = true};
  DensePattern listed{.query_offsets = {0, 2, 4}, .key_offsets = {0, 9, 12}, .positions = {4, 8, 0, -1}};
  listed.key_mask = Tensor::from({12}, std::vector<uint8_t>{1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1});
  listed.dropout = {0.3, {.seed = 11, .use = 9, .step = 2}};
  const DensePattern large_cross{.query_offsets = {0, 70, 71, 200}, .key_offsets = {0, 1, 601, 740}};
  const DensePattern many{.query_offsets = {0, 150, 190}, .key_offsets = {0, 150, 190}, .causal = true};
  DensePattern dropping_many = many;
  dropping_many.dropout = {0.2, {.seed = 11, .use = 9, .step = 2}};
  DensePattern last{.query_offsets = {0, 2, 5},
                    .key_offsets = {0, 700, 730},
                    .positions = {690, 699, 3, 28, 29},
                    .causal = true};
  return {
      dense("dense_attention_cross", 2, 3, cross),
      dense("dense_attention_causal", 2, 3, causal),
      dense("dense_attention_listed", 1, 5, listed),
      dense("dense_attention_cross_large", 2, 64, large_cross, true),
      dense("dense_attention_causal_large", 1, 32, many, true),
      dense("dense_attention_many_queries_large", 1, 32, {.query_offsets = {0, 530}, .key_offsets = {0, 40}},
            true),
      dense("dense_attention_causal_dropout_large", 1, 96, dropping_many, true),
      dense("dense_attention_last_tokens_large", 2, 32, last, true),
  };
}

// Both halves of a Longformer layer: the rows that global attention overwrites must get no gradient from it.
OpCase both_halves(const char* name, const Sizes& s, const AttentionPattern& pattern) {
  const OpInput whole{tokens_then(s, pattern, {s.H, s.K})};
  const auto tokens = static_cast<int64_t>(pattern.global_tokens->positions.size());
  return {name, {whole, whole, whole, {{tokens, s.H, s.K}}, whole, whole}, [pattern](In x, DType) {
            return global_attention(window_attention(x[0], x[1], x[2], pattern), x[3], x[4], x[5], pattern);
          }};
}

std::vector<OpCase> window_and_global_cases() {
  const Sizes small{2, 9, 2, 3}, odd{1, 7, 3, 5}, one{1, 1, 1, 2}, large{2, 131, 3, 20};
  const std::vector<std::vector<int64_t>> globals{{0, 4}, {3}}, last_is_padded{{8}, {0, 2, 7}};
  const AttentionPattern everything =
      dropping(with_globals(padded(window(2, 1, {1, 3}), small), last_is_padded), 0.3);
  const Sizes many{1, 19, 2, 3};
  const std::vector<int64_t> offsets{0, 5, 6, 6, 19};
  const std::vector<std::vector<int64_t>> own_globals{{0, 4}, {0}, {}, {0, 3, 11}};
  const AttentionPattern ragged_everything =
      ragged(dropping(with_globals(padded(window(2, 1, {1, 3}), many), own_globals), 0.3), offsets);
  return {
      packed("window_attention_ragged", many, ragged(window(3, 1), offsets)),
      relative("window_attention_ragged_everything", many, ragged_everything),
      separate("window_attention_ragged_separate", many,
               ragged(with_globals(window(2, 2), own_globals), offsets)),
      dense_rows("global_attention_ragged", many, ragged(with_globals(window(1, 1), own_globals), offsets)),
      both_halves("window_and_global_attention_ragged", many,
                  ragged(dropping(with_globals(padded(window(2, 2), many), own_globals), 0.3), offsets)),
      packed("window_attention_ragged_large", {1, 300, 3, 32},
             ragged(dropping(with_globals(window(17, 17, {1, 1, 2}), {{0}, {0, 5}, {0, 100}}), 0.2),
                    {0, 1, 120, 300}),
             true),
      dense_rows("global_attention_ragged_large", {1, 700, 2, 32},
                 ragged(with_globals(window(17, 17), {{0}, {0, 5, 600}, {}}), {0, 20, 660, 700}), true),
      packed("window_attention_causal", small, window(3, 0)),
      packed("window_attention_symmetric", odd, window(2, 2)),
      packed("window_attention_uneven", odd, window(1, 3)),
      packed("window_attention_itself_only", small, window(0, 0)),
      packed("window_attention_window_exceeds_tokens", odd, window(20, 50)),
      packed("window_attention_one_token", one, window(4, 4)),
      packed("window_attention_dilated", small, window(2, 1, {1, 3})),
      packed("window_attention_padded", small, padded(window(2, 2), small)),
      packed("window_attention_dropout", small, dropping(window(3, 3), 0.4)),
      packed("window_attention_globals", small, with_globals(window(1, 1), globals)),
      packed("window_attention_everything", small, everything),
      separate("window_attention_separate", small, with_globals(padded(window(2, 2), small), globals)),
      relative("window_attention_relative_causal", small, window(3, 0)),
      relative("window_attention_relative_symmetric", odd, window(2, 2)),
      relative("window_attention_relative_dilated", small, window(2, 0, {2, 3})),
      relative("window_attention_relative_everything", small, everything),
      packed("window_attention_large", large, window(17, 17), true),
      packed("window_attention_dropout_large", large, dropping(window(33, 0), 0.2), true),
      relative("window_attention_relative_large", large, window(40, 0, {1, 1, 2}), true),
      dense_rows("global_attention", small, with_globals(window(1, 1), globals)),
      dense_rows("global_attention_padded", small, with_globals(padded(window(1, 1), small), last_is_padded)),
      dense_rows("global_attention_dropout", small, dropping(with_globals(window(1, 1), globals), 0.4)),
      dense_rows("global_attention_large", large, with_globals(window(1, 1), {{0, 5, 130}, {1, 64, 65, 66}}),
                 true),
      both_halves("window_and_global_attention", small, with_globals(padded(window(2, 2), small), globals)),
  };
}

}  // namespace

std::vector<OpCase> attention_cases() {
  std::vector<OpCase> all = window_and_global_cases();
  for (OpCase& row : dense_cases()) all.push_back(std::move(row));
  return all;
}

}  // namespace lf
