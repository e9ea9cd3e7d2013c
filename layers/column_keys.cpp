#include "layers/column_keys.h"

namespace lf {

ColumnKeys::ColumnKeys(const AttentionSizes& s, const AttentionPattern& pattern, bool dense)
    : s_(s),
      pattern_(pattern),
      dense_(dense),
      left_(std::min(pattern.left, s.T - 1)),
      right_(std::min(pattern.right, s.T - 1)),
      is_valid_(static_cast<size_t>(s.B * s.T), 1),
      is_global_(static_cast<size_t>(s.B * s.T), 0) {
  if (pattern.key_mask.defined()) {
    const uint8_t* mask = pattern.key_mask.data<uint8_t>();
    std::copy_n(mask, s.B * s.T, is_valid_.begin());
  }
  if (!pattern.global_tokens) return;
  const auto& [offsets, positions] = *pattern.global_tokens;
  for (int64_t b = 0; b < s.B; ++b) {
    const int64_t first = offsets[static_cast<size_t>(b)], last = offsets[static_cast<size_t>(b + 1)];
    if (!dense) globals_ = std::max(globals_, last - first);
    for (int64_t n = first; n < last; ++n) {
      is_global_[static_cast<size_t>(b * s.T + positions[static_cast<size_t>(n)])] = 1;
    }
  }
}

int64_t ColumnKeys::global_key(int64_t b, int64_t column) const {
  const auto& [offsets, positions] = *pattern_.global_tokens;
  const int64_t n = offsets[static_cast<size_t>(b)] + column;
  return n < offsets[static_cast<size_t>(b + 1)] ? positions[static_cast<size_t>(n)] : -1;
}

int64_t ColumnKeys::key(int64_t h, int64_t b, int64_t t, int64_t column) const {
  if (!is_valid(b, t) || is_global(b, t)) return -1;
  if (column < globals_) {
    const int64_t j = global_key(b, column);
    return is_valid(b, j) ? j : -1;
  }
  if (!dense_) {
    const int64_t j = t + dilation(h) * (column - globals_ - left_);
    return is_valid(b, j) && !is_global(b, j) ? j : -1;
  }
  if (!is_valid(b, column)) return -1;
  const int64_t distance = column - t, steps = distance / dilation(h);
  const bool in_band = distance % dilation(h) == 0 && -left_ <= steps && steps <= right_;
  return in_band || is_global(b, column) ? column : -1;
}

}  // namespace lf
