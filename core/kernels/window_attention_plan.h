// The checked reading of a WindowAttentionShape: what each token is, and each head's window and dilation.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/window_attention.h"

namespace lf {

enum class TokenKind : uint8_t { local, global, padded };

class AttentionPlan {
 public:
  // Throws lf::Error when the shape is inconsistent. Keeps a reference to the shape.
  explicit AttentionPlan(const WindowAttentionShape& shape);

  TokenKind kind(int64_t b, int64_t token) const { return kinds_[b * shape_.T + token]; }
  // True for tokens whose context the window attention computes: local, and inside the query range.
  bool is_query(int64_t b, int64_t token) const {
    return token >= query_begin_ && token < query_end_ && kind(b, token) == TokenKind::local;
  }
  // The global tokens of batch row b that are not padded, ascending.
  const std::vector<int64_t>& valid_globals(int64_t b) const { return valid_globals_[b]; }
  int64_t most_globals() const { return most_globals_; }  // of any batch row
  int64_t dilation(int64_t h) const { return shape_.dilation.empty() ? 1 : shape_.dilation[h]; }
  int64_t query_begin() const { return query_begin_; }
  int64_t query_end() const { return query_end_; }
  bool all_local() const { return all_local_; }  // no padded and no global token anywhere

  // Throws unless r has a row for every distance that the window can reach.
  void check_relative(int64_t rows, int64_t zero_row) const;

 private:
  const WindowAttentionShape& shape_;
  std::vector<TokenKind> kinds_;  // (B, T)
  std::vector<std::vector<int64_t>> valid_globals_;
  int64_t most_globals_ = 0;
  int64_t query_begin_ = 0, query_end_ = 0;
  bool all_local_ = true;
};

}  // namespace lf
