#include "core/kernels/attention/plan.h"

#include <algorithm>
#include <tuple>

#include "core/check.h"

namespace lf {
namespace {

// Shorter segments spend their time packing the keys of their neighbours.
constexpr int64_t kLeastSegment = 512;

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

AttentionPlan::AttentionPlan(const WindowAttentionShape& shape) : shape_(shape) {
  check_shape(shape);
  query_begin_ = shape.query_begin;
  query_end_ = shape.query_end < 0 ? shape.T : shape.query_end;
  read_tokens();
  for (int64_t h = 0; h < shape.H; ++h) {
    for (int64_t b = 0; b < shape.B; ++b) {
      add_tasks(b, h);
      sequence_tasks_.push_back(static_cast<int64_t>(tasks_.size()));
    }
  }
  const auto place = [&](int64_t n) {
    const AttentionTask& task = tasks_[n];
    return std::tuple(task.b, task.token(task.begin), task.h);
  };
  for (auto* order : {&even_tasks_, &odd_tasks_}) {
    std::sort(order->begin(), order->end(), [&](int64_t a, int64_t b) { return place(a) < place(b); });
  }
}

void AttentionPlan::read_tokens() {
  const int64_t T = shape_.T;
  kinds_.assign(shape_.B * T, TokenKind::local);
  valid_globals_.resize(shape_.B);
  for (int64_t b = 0; b < shape_.B; ++b) {
    TokenKind* const kinds = kinds_.data() + b * T;
    for (int64_t t = 0; t < T && shape_.key_mask != nullptr; ++t) {
      if (shape_.key_mask[b * T + t] == 0) kinds[t] = TokenKind::padded;
    }
    if (shape_.global_offsets == nullptr) continue;
    int64_t previous = -1;
    for (int64_t n = shape_.global_offsets[b]; n < shape_.global_offsets[b + 1]; ++n) {
      const int64_t t = shape_.global_positions[n];
      CHECK(t > previous && t < T, "window_attention: global position ", t, " of batch row ", b, " after ",
            previous, ", needs ascending positions below ", T);
      previous = t;
      if (kinds[t] == TokenKind::padded) continue;
      kinds[t] = TokenKind::global;
      valid_globals_[b].push_back(t);
    }
  }
}

// A segment is at least as long as the window, so that every second segment has keys of its own, and at least
// as long as the list of global keys, so that what all segments keep for those keys stays O(T).
void AttentionPlan::add_tasks(int64_t b, int64_t h) {
  const int64_t T = shape_.T, D = dilation(h), globals = static_cast<int64_t>(valid_globals_[b].size());
  for (int64_t first = 0; first < std::min(D, T); ++first) {
    AttentionTask task{};
    task.b = b, task.h = h, task.D = D, task.first = first;
    task.length = (T - first + D - 1) / D;
    task.left = std::min(shape_.left, task.length - 1);
    task.right = std::min(shape_.right, task.length - 1);
    const int64_t least = std::max({kLeastSegment, 2 * (task.left + task.right), globals});
    const int64_t count = std::max<int64_t>(1, task.length / least);
    const int64_t size = (task.length + count - 1) / count;
    for (int64_t begin = 0, number = 0; begin < task.length; begin += size, ++number) {
      task.begin = begin;
      task.end = std::min(begin + size, task.length);
      task.has_before = begin > 0;
      task.has_after = task.end < task.length;
      (number % 2 == 0 ? even_tasks_ : odd_tasks_).push_back(static_cast<int64_t>(tasks_.size()));
      tasks_.push_back(task);
    }
  }
}

uint64_t AttentionPlan::dropout_row(int64_t b, int64_t h, int64_t i) const {
  const int64_t total = shape_.total_tokens == 0 ? shape_.T : shape_.total_tokens;
  const int64_t row = ((shape_.first_row + b) * shape_.H + h) * total + shape_.first_token + i;
  return static_cast<uint64_t>(row * total + shape_.first_token);
}

void AttentionPlan::check_relative(int64_t rows, int64_t zero_row) const {
  int64_t before = 0, after = 0;
  for (const AttentionTask& task : tasks_) {
    before = std::max(before, task.left * task.D);
    after = std::max(after, task.right * task.D);
  }
  CHECK(zero_row >= after && rows > zero_row + before, "window_attention: r has ", rows,
        " rows with distance 0 at ", zero_row, ", needs distances ", -after, " to ", before);
}

}  // namespace lf
