#include "core/kernels/attention/plan.h"

#include <algorithm>
#include <tuple>

namespace lf {
namespace {

// Shorter segments spend their time packing the keys of their neighbours.
constexpr int64_t kLeastSegment = 512;

}  // namespace

AttentionPlan::AttentionPlan(const kernels::AttentionCall& call, int64_t H, int64_t K)
    : shape_(call, H, K),
      query_begin_(call.query_begin),
      query_end_(call.query_end < 0 ? shape_.T : call.query_end) {
  read_tokens();
  for (int64_t h = 0; h < H; ++h) {
    for (int64_t b = 0; b < shape_.B; ++b) {
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
  const kernels::AttentionCall& call = shape_.call;
  kinds_.assign(shape_.N, TokenKind::local);
  valid_globals_.resize(shape_.B), global_elements_.resize(shape_.B);
  const uint8_t* const mask = call.mask.defined() ? call.mask.data<uint8_t>() : nullptr;
  for (int64_t n = 0; n < shape_.N && mask != nullptr; ++n) {
    if (mask[n] == 0) kinds_[n] = TokenKind::padded;
  }
  for (int64_t b = 0; b < shape_.B && call.globals; ++b) {
    for (int64_t n = call.globals->offsets[b]; n < call.globals->offsets[b + 1]; ++n) {
      const int64_t t = call.globals->positions[n];
      TokenKind& kind = kinds_[call.begin(b) + t];
      if (kind == TokenKind::padded) continue;
      kind = TokenKind::global;
      valid_globals_[b].push_back(t);
      global_elements_[b].push_back(call.global_places.empty() ? t
                                                               : call.global_places[n] - call.first_token);
    }
  }
}

// A segment is at least as long as the window, so that every second segment has keys of its own, and at least
// as long as the list of global keys, so that what all segments keep for those keys stays O(T).
void AttentionPlan::add_tasks(int64_t b, int64_t h) {
  const int64_t T = call().length(b), D = dilation(h),
                globals = static_cast<int64_t>(valid_globals_[b].size());
  for (int64_t first = 0; first < std::min(D, T); ++first) {
    AttentionTask task{};
    task.b = b, task.h = h, task.base = call().begin(b), task.D = D, task.first = first;
    task.length = (T - first + D - 1) / D;
    task.left = std::min(call().left, task.length - 1);
    task.right = std::min(call().right, task.length - 1);
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
  const int64_t total = call().total_tokens == 0 ? shape_.T : call().total_tokens;
  const int64_t row = ((call().first_row + b) * shape_.H + h) * total + call().first_token + i;
  return static_cast<uint64_t>(row * total + call().first_token);
}

}  // namespace lf
