// Letters: B batch, T tokens, H heads, K head width; N is T, or T rounded up to whole blocks. Everything runs
// on tensors (H, B, K, N): heads first, tokens last. A row of scores (H, B, N, C) has one column per key that
// its query may see; `ColumnKeys` says which key that is.
#include "layers/composed_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/attention.h"
#include "layers/column_keys.h"

namespace lf {
namespace {

// A gather_columns index with one row per a in [0, rows): f(a, column), made -1 outside [0, limit).
template <class F>
Tensor simple_index(int64_t rows, int64_t columns, int64_t limit, F&& f) {
  Tensor result = Tensor::empty({rows, columns}, DType::i32);
  for (int64_t a = 0; a < rows; ++a) {
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t from = f(a, c);
      result.data<int32_t>()[a * columns + c] = static_cast<int32_t>(from >= 0 && from < limit ? from : -1);
    }
  }
  return result;
}

// Columns [begin, begin + count) of x; columns that x lacks are zero.
Var columns_of(const Var& x, int64_t begin, int64_t count) {
  if (begin == 0 && count == x.dim(-1)) return x;
  return gather_columns(x, simple_index(1, count, x.dim(-1), [=](int64_t, int64_t c) { return begin + c; }));
}

// (B, T, H K) -> (H, B, K, N)
Var heads_first(const Var& x, const AttentionSizes& s) {
  const Var tokens_last = reshape(swap_axes(x, 1), {s.B, s.H, s.K, s.T});
  return columns_of(swap_axes(tokens_last, 0), 0, s.N);
}

// (H B, K, N) -> (B, T, H, K)
Var tokens_first(const Var& x, const AttentionSizes& s) {
  const Var cut = columns_of(reshape(x, {s.H, s.B, s.K, s.N}), 0, s.T);
  const Var batch_first = reshape(swap_axes(cut, 0), {s.B, s.H * s.K, s.T});
  return reshape(swap_axes(batch_first, 1), {s.B, s.T, s.H, s.K});
}

struct Operands {
  Var q, k, v;          // (H B, K, N), q already divided by sqrt(K)
  Var relative_scores;  // (H B, N, rows of r), undefined without relative positions
  int64_t zero_row = 0;
};

Operands prepare(const Var& qkv, const AttentionSizes& s, const RelativeTerm* relative) {
  const Var parts = swap_axes(swap_axes(qkv, 1), 0);  // (3, B, T, H, K)
  const auto part = [&](int64_t i) { return reshape(slice(parts, i, i + 1), {s.B, s.T, s.H * s.K}); };
  const auto ready = [&](const Var& x) { return reshape(heads_first(x, s), {s.H * s.B, s.K, s.N}); };
  const Var q = scale(part(0), 1 / std::sqrt(static_cast<double>(s.K)));
  Operands result{q, ready(part(1)), ready(part(2)), {}, 0};
  if (relative) {
    const auto biased = [&](const Var& bias) {
      const Var flat = scale(reshape(bias, {s.H * s.K}), 1 / std::sqrt(static_cast<double>(s.K)));
      return add_bias(q, flat);
    };
    const Var position = swap_axes(heads_first(biased(relative->v), s), 2);  // (H, B, N, K)
    const Var scores =
        matmul(reshape(position, {s.H, s.B * s.N, s.K}), false, swap_axes(relative->r, 0), true);
    result.relative_scores = reshape(scores, {s.H * s.B, s.N, relative->r.dim(0)});
    result.zero_row = relative->zero_row;
    result.q = biased(relative->u);
  }
  result.q = ready(result.q);
  return result;
}

// Keeps the probabilities that the fused kernel keeps: its decision element is ((b H + h) T + t) T + key.
Var drop_probabilities(const Var& probabilities, const ColumnKeys& keys, const AttentionSizes& s,
                       const Dropout& drop) {
  if (!drop.active()) return probabilities;
  const uint32_t threshold = dropout_threshold(drop.probability);
  const auto kept = [&](int64_t h, int64_t b, int64_t t, int64_t c, int64_t key) -> int64_t {
    if (key < 0) return -1;
    const auto element = static_cast<uint64_t>(((b * s.H + h) * s.T + t) * s.T + key);
    return dropout_bits(philox(drop.key, element / 8), element) >= threshold ? c : -1;
  };
  return scale(gather_columns(probabilities, keys.index(true, kept)), 1 / (1 - drop.probability));
}

// Content scores (H B, N, columns) -> probabilities: relative term, hidden columns, softmax, dropout.
Var probabilities_of(Var scores, const Operands& in, const ColumnKeys& keys, const AttentionSizes& s,
                     const Dropout& drop) {
  if (in.relative_scores.defined()) {
    const Tensor distance = keys.index(false, [&](int64_t, int64_t b, int64_t t, int64_t, int64_t key) {
      return key < 0 || keys.is_global(b, key) ? -1 : in.zero_row + t - key;
    });
    scores = add(scores, gather_columns(in.relative_scores, distance));
  }
  const Tensor seen =
      keys.index(false, [](int64_t, int64_t, int64_t, int64_t c, int64_t key) { return key < 0 ? -1 : c; });
  const Var visible = gather_columns(scores, seen, -std::numeric_limits<double>::infinity());
  return drop_probabilities(softmax(visible), keys, s, drop);
}

// The columns of the global keys of x (H B, K, N) -> (H B, K, globals); zero where a row has fewer.
Var global_columns(const Var& x, const ColumnKeys& keys, const AttentionSizes& s) {
  return gather_columns(x, simple_index(s.B * s.K, keys.globals(), s.T, [&](int64_t row, int64_t column) {
                          return keys.global_key(row / s.K, column);
                        }));
}

// Attention over [global keys | band]: band_scores() -> (H B, N, diagonals) and band_context(probabilities of
// the same shape) -> (H B, K, N) are what the implementations differ in.
template <class BandScores, class BandContext>
Var attend_to_band(const Operands& in, const ColumnKeys& keys, const AttentionSizes& s, const Dropout& drop,
                   BandScores&& band_scores, BandContext&& band_context) {
  const int64_t globals = keys.globals(), diagonals = keys.columns() - globals;
  Var scores = band_scores();
  if (globals) {
    const Var dense = matmul(in.q, true, global_columns(in.k, keys, s), false);
    scores = add(columns_of(dense, 0, keys.columns()), columns_of(scores, -globals, keys.columns()));
  }
  const Var probabilities = probabilities_of(scores, in, keys, s, drop);
  const Var context = band_context(columns_of(probabilities, globals, diagonals));
  if (!globals) return context;
  return add(context,
             matmul(global_columns(in.v, keys, s), false, columns_of(probabilities, 0, globals), true));
}

Var full_attention(const Operands& in, const AttentionPattern& pattern, const AttentionSizes& s) {
  const ColumnKeys keys(s, pattern, true);
  const Var scores = matmul(in.q, true, in.k, false);  // (H B, T, T)
  return matmul(in.v, false, probabilities_of(scores, in, keys, s, pattern.dropout), true);
}

Var loop_attention(const Operands& in, const AttentionPattern& pattern, const AttentionSizes& s) {
  const ColumnKeys keys(s, pattern, false);
  Diagonals offsets;
  for (int64_t step = -keys.left(); step <= keys.right(); ++step) {
    offsets.emplace_back();
    for (int64_t group = 0; group < s.H * s.B; ++group) {
      offsets.back().push_back(step * keys.dilation(group / s.B));
    }
  }
  const auto diagonals = static_cast<int64_t>(offsets.size()), rows = s.H * s.B * s.N;
  return attend_to_band(
      in, keys, s, pattern.dropout,
      [&] {
        const Var scores = reshape(diagonal_products(in.q, in.k, offsets), {diagonals, rows});
        return reshape(swap_axes(scores, 0), {s.H * s.B, s.N, diagonals});
      },
      [&](const Var& probabilities) {
        const Var by_diagonal = swap_axes(reshape(probabilities, {rows, diagonals}), 0);
        return diagonal_sums(reshape(by_diagonal, {diagonals, s.H * s.B, s.N}), in.v, offsets);
      });
}

// Blocks of `block` queries against the block + left + right keys that any of them sees; the band is a
// sheared part of each product.
Var chunk_attention(const Operands& in, const AttentionPattern& pattern, const AttentionSizes& s,
                    int64_t block) {
  const ColumnKeys keys(s, pattern, false);
  const int64_t groups = s.H * s.B, blocks = s.N / block, diagonals = keys.left() + keys.right() + 1;
  const int64_t width = block + keys.left() + keys.right();
  // x (groups, K, N) -> (groups blocks, K, columns): columns tokens from `before` ahead of every block.
  const auto cut = [&](const Var& x, int64_t columns, int64_t before) {
    const Tensor tokens = simple_index(1, blocks * columns, s.N, [&](int64_t, int64_t c) {
      return c / columns * block + c % columns - before;
    });
    const Var copies = reshape(gather_columns(x, tokens), {groups, s.K, blocks, columns});
    return reshape(swap_axes(copies, 1), {groups * blocks, s.K, columns});
  };
  return attend_to_band(
      in, keys, s, pattern.dropout,
      [&] {
        const Var products = matmul(cut(in.q, block, 0), true, cut(in.k, width, keys.left()), false);
        const Tensor band = simple_index(block, diagonals, width, [](int64_t a, int64_t c) { return a + c; });
        return reshape(gather_columns(products, band), {groups, s.N, diagonals});
      },
      [&](const Var& probabilities) {
        const Tensor sheared =
            simple_index(block, width, diagonals, [](int64_t a, int64_t c) { return c - a; });
        const Var wide = gather_columns(reshape(probabilities, {groups * blocks, block, diagonals}), sheared);
        const Var context =
            matmul(cut(in.v, width, keys.left()), false, wide, true);  // (groups blocks, K, block)
        return reshape(swap_axes(reshape(context, {groups, blocks, s.K, block}), 1), {groups, s.K, s.N});
      });
}

}  // namespace

Var composed_attention(AttentionImplementation implementation, const Var& qkv,
                       const AttentionPattern& pattern, const RelativeTerm* relative) {
  using enum AttentionImplementation;
  if (implementation == fused) return window_attention(qkv, pattern, relative);
  CHECK(pattern.offsets.empty(), "composed_attention: a ragged batch of ", pattern.offsets.size() - 1,
        " sequences; fused takes it");
  check_attention("composed_attention", qkv, pattern, relative);
  AttentionSizes s{qkv.dim(0), qkv.dim(1), qkv.dim(3), qkv.dim(4), qkv.dim(1)};
  if (implementation == full) return tokens_first(full_attention(prepare(qkv, s, relative), pattern, s), s);
  if (implementation == loop) return tokens_first(loop_attention(prepare(qkv, s, relative), pattern, s), s);
  for (const int32_t D : pattern.dilation) {
    CHECK(D == 1, "composed_attention: chunks cannot dilate, got dilation ", D, "; fused, loop and full can");
  }
  const int64_t block =
      std::clamp<int64_t>(std::max(pattern.left, pattern.right), 1, std::max<int64_t>(s.T, 1));
  s.N = (s.T + block - 1) / block * block;
  return tokens_first(chunk_attention(prepare(qkv, s, relative), pattern, s, block), s);
}

}  // namespace lf
