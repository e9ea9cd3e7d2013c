// The reading of an attention call: what each token is, and the pieces the work is cut into.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/attention/views.h"

namespace lf {

enum class TokenKind : uint8_t { local, global, padded };

// One unit of work: the queries [begin, end) of one head of one sequence. Tokens whose positions are equal
// modulo the dilation D form an ordinary sequence of their own, with a window without gaps; index i of it is
// token first + i * D.
struct AttentionTask {
  int64_t b, h;
  int64_t base;  // the row of the sequence's token 0 in the tensors
  int64_t D, first, length;
  int64_t left, right;         // the window, clipped to the sequence: at most length - 1
  int64_t begin, end;          // queries, as indices of the sequence
  bool has_before, has_after;  // whether other tasks own the queries before begin and after end

  int64_t token(int64_t i) const { return first + i * D; }
  int64_t row(int64_t i) const { return base + token(i); }
  int64_t window() const { return left + right + 1; }
  int64_t key_begin() const { return begin > left ? begin - left : 0; }
  int64_t key_end() const { return end + right < length ? end + right : length; }
};

class AttentionPlan {
 public:
  // Keeps a reference to the call, which has been checked.
  AttentionPlan(const kernels::AttentionCall& call, int64_t H, int64_t K);

  const AttentionShape& shape() const { return shape_; }
  const kernels::AttentionCall& call() const { return shape_.call; }
  TokenKind kind(int64_t row) const { return kinds_[row]; }
  // True for tokens whose context the window attention computes: local, and inside the query range.
  bool is_query(const AttentionTask& task, int64_t i) const {
    const int64_t token = task.token(i);
    return token >= query_begin_ && token < query_end_ && kind(task.row(i)) == TokenKind::local;
  }
  // The global tokens of sequence b that are not padded, ascending.
  const std::vector<int64_t>& valid_globals(int64_t b) const { return valid_globals_[b]; }
  // Their dropout elements, counted from dropout_row().
  const std::vector<int64_t>& global_elements(int64_t b) const { return global_elements_[b]; }
  int64_t dilation(int64_t h) const { return call().dilation.empty() ? 1 : call().dilation[h]; }

  // All tasks, ordered by head, sequence and position. Two tasks with the same even (or the same odd) number
  // in their sequence have no key in common: run all even ones, then all odd ones, and each may add to its
  // keys' gradients.
  const std::vector<AttentionTask>& tasks() const { return tasks_; }
  // Both lists are in the order to run them: all heads of a stretch of tokens first, which share pages of
  // memory.
  const std::vector<int64_t>& even_tasks() const { return even_tasks_; }
  const std::vector<int64_t>& odd_tasks() const { return odd_tasks_; }
  // Tasks of (h, b) are [sequence_tasks()[h * B + b], sequence_tasks()[h * B + b + 1]).
  const std::vector<int64_t>& sequence_tasks() const { return sequence_tasks_; }

  // The dropout element of (b, h, i, key 0); key j is j further.
  uint64_t dropout_row(int64_t b, int64_t h, int64_t i) const;

 private:
  void read_tokens();
  void add_tasks(int64_t b, int64_t h);

  AttentionShape shape_;
  std::vector<TokenKind> kinds_;  // (N)
  std::vector<std::vector<int64_t>> valid_globals_, global_elements_;
  int64_t query_begin_ = 0, query_end_ = 0;
  std::vector<AttentionTask> tasks_;
  std::vector<int64_t> even_tasks_, odd_tasks_, sequence_tasks_{0};
};

}  // namespace lf
