#include "core/kernels/window_attention_plan.h"

#include <algorithm>

#include "core/check.h"

namespace lf {
namespace {

void check_shape(const WindowAttentionShape& shape) {
  CHECK(shape.B >= 0 && shape.T >= 0 && shape.H > 0 && shape.K > 0, "window_attention: (B, T, H, K) is (",
        shape.B, ", ", shape.T, ", ", shape.H, ", ", shape.K, "), needs H, K >= 1");
  CHECK(shape.left >= 0 && shape.right >= 0, "window_attention: left ", shape.left, ", right ", shape.right,
        ", neither may be negative");
  CHECK(shape.dilation.empty() || static_cast<int64_t>(shape.dilation.size()) == shape.H,
        "window_attention: ", shape.dilation.size(), " dilations for ", shape.H, " heads");
  for (const int32_t D : shape.dilation)
    CHECK(D >= 1, "window_attention: dilation ", D, ", needs at least 1");
  CHECK(shape.dropout.probability >= 0 && shape.dropout.probability < 1, "window_attention: dropout ",
        shape.dropout.probability, ", needs [0, 1)");
  CHECK(shape.query_begin >= 0 && shape.query_end <= shape.T, "window_attention: queries [",
        shape.query_begin, ", ", shape.query_end, ") of ", shape.T, " tokens");
}

}  // namespace

AttentionPlan::AttentionPlan(const WindowAttentionShape& shape) : shape_(shape), valid_globals_(shape.B) {
  check_shape(shape);
  query_begin_ = shape.query_begin;
  query_end_ = shape.query_end < 0 ? shape.T : shape.query_end;
  kinds_.assign(shape.B * shape.T, TokenKind::local);
  for (int64_t b = 0; b < shape.B; ++b) {
    TokenKind* const kinds = kinds_.data() + b * shape.T;
    for (int64_t t = 0; t < shape.T && shape.key_mask != nullptr; ++t) {
      if (shape.key_mask[b * shape.T + t] == 0) kinds[t] = TokenKind::padded;
    }
    if (shape.global_offsets == nullptr) continue;
    int64_t previous = -1;
    for (int64_t n = shape.global_offsets[b]; n < shape.global_offsets[b + 1]; ++n) {
      const int64_t t = shape.global_positions[n];
      CHECK(t > previous && t < shape.T, "window_attention: global position ", t, " of batch row ", b,
            " after ", previous, ", needs ascending positions below ", shape.T);
      previous = t;
      if (kinds[t] == TokenKind::padded) continue;
      kinds[t] = TokenKind::global;
      valid_globals_[b].push_back(t);
    }
    most_globals_ = std::max(most_globals_, static_cast<int64_t>(valid_globals_[b].size()));
  }
  all_local_ =
      std::all_of(kinds_.begin(), kinds_.end(), [](TokenKind kind) { return kind == TokenKind::local; });
}

void AttentionPlan::check_relative(int64_t rows, int64_t zero_row) const {
  int64_t most = 1;
  for (const int32_t D : shape_.dilation) most = std::max<int64_t>(most, D);
  const int64_t farthest = std::max<int64_t>(shape_.T - 1, 0);
  const int64_t before = std::min(std::min(shape_.left, farthest) * most, farthest);
  const int64_t after = std::min(std::min(shape_.right, farthest) * most, farthest);
  CHECK(zero_row >= after && rows > zero_row + before, "window_attention: r has ", rows,
        " rows with distance 0 at ", zero_row, ", needs distances ", -after, " to ", before);
}

}  // namespace lf
