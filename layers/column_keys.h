// Which key each column of a row of attention scores stands for, for attention composed of plain operations.
// Letters: B batch, T tokens, H heads, K head width; N is T, or T rounded up to whole blocks.
#pragma once

#include <algorithm>
#include <vector>

#include "autograd/attention_pattern.h"
#include "core/parallel.h"

namespace lf {

struct AttentionSizes {
  int64_t B, T, H, K, N;
};

// The key of every column of scores. Dense: column j is key j. Otherwise the first columns are the batch
// row's global keys, the others the diagonals of the band.
class ColumnKeys {
 public:
  ColumnKeys(const AttentionSizes& s, const AttentionPattern& pattern, bool dense);

  int64_t columns() const { return dense_ ? s_.T : globals_ + left_ + right_ + 1; }
  int64_t left() const { return left_; }
  int64_t right() const { return right_; }
  int64_t globals() const { return globals_; }  // the most of any batch row; 0 if dense
  int64_t dilation(int64_t h) const {
    return pattern_.dilation.empty() ? 1 : pattern_.dilation[static_cast<size_t>(h)];
  }
  // The global keys of every row, -1 where a row has fewer.
  int64_t global_key(int64_t b, int64_t column) const;
  bool is_global(int64_t b, int64_t t) const { return flag(is_global_, b, t); }
  // The key that query t sees in this column, or -1.
  int64_t key(int64_t h, int64_t b, int64_t t, int64_t column) const;

  // A gather_columns index of f(h, b, t, column, key) for every row, as few rows as differ.
  template <class F>
  Tensor index(bool every_row, F&& f) const;

 private:
  bool flag(const std::vector<char>& flags, int64_t b, int64_t t) const {
    return flags[static_cast<size_t>(b * s_.T + t)] != 0;
  }
  bool is_valid(int64_t b, int64_t t) const { return t >= 0 && t < s_.T && flag(is_valid_, b, t); }

  AttentionSizes s_;
  const AttentionPattern& pattern_;
  bool dense_;
  int64_t left_, right_, globals_ = 0;
  std::vector<char> is_valid_, is_global_;  // (B, T)
};

template <class F>
Tensor ColumnKeys::index(bool every_row, F&& f) const {
  const bool heads_differ = !std::all_of(pattern_.dilation.begin(), pattern_.dilation.end(),
                                         [&](int32_t D) { return D == pattern_.dilation[0]; });
  const bool batches_differ = pattern_.key_mask.defined() || pattern_.global_tokens;
  const int64_t H = every_row || heads_differ ? s_.H : 1;
  const int64_t B = every_row || heads_differ || batches_differ ? s_.B : 1;
  Tensor result = Tensor::empty({H * B * s_.N, columns()}, DType::i32);
  parallel_for(result.dim(0), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t t = row % s_.N, b = row / s_.N % B, h = row / s_.N / B;
      int32_t* out = result.data<int32_t>() + row * columns();
      for (int64_t c = 0; c < columns(); ++c) out[c] = static_cast<int32_t>(f(h, b, t, c, key(h, b, t, c)));
    }
  });
  return result;
}

}  // namespace lf
