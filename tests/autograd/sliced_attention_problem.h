// Sequences cut over ranks that attend, and one rank that has them whole.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <vector>

#include "autograd/ops.h"
#include "autograd/sequence_slices.h"
#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/rows_of_slices.h"
#include "tests/testing.h"

namespace lf::sliced {

struct SlicedCase {
  const char* name;
  int ranks;
  std::vector<int64_t> lengths;  // of the sequences
  int64_t left, right;
  std::vector<int32_t> dilation{};
  double dropout = 0;
  bool relative = false, masked = false;
  GlobalTokens globals{};  // offsets empty: none
  int64_t H = 2, K = 8;

  int64_t tokens() const {
    int64_t result = 0;
    for (const int64_t length : lengths) result += length;
    return result;
  }
  bool has_globals() const { return !globals.offsets.empty(); }
};

inline void PrintTo(const SlicedCase& c, std::ostream* out) { *out << c.name; }

// The inputs of a whole batch, and what is asked of it.
struct WholeBatch {
  explicit WholeBatch(const SlicedCase& c_, DType dtype) : c(c_) {
    const Shape tokens{c.tokens(), c.H, c.K};
    qkv = random_tensor({c.tokens(), 3, c.H, c.K}, dtype, 1);
    cotangent = random_tensor(tokens, dtype, 2);
    const Shape heads{c.H, c.K};
    int64_t distances = 0;
    for (const int64_t length : c.lengths) distances = std::max(distances, length);
    const DType sums = dtype == DType::f64 ? DType::f64 : DType::f32;
    u = random_tensor(heads, sums, 3), v = random_tensor(heads, sums, 4);
    r = random_tensor({2 * distances, c.H, c.K}, dtype, 5);
    zero_row = distances;
    global_q = random_tensor({std::ssize(c.globals.positions), c.H, c.K}, dtype, 6);
    global_k = random_tensor(tokens, dtype, 7), global_v = random_tensor(tokens, dtype, 8);
    if (!c.masked) return;
    mask = Tensor::empty({c.tokens()}, DType::u8);
    for (int64_t n = 0; n < c.tokens(); ++n) mask.data<uint8_t>()[n] = n % 7 != 3;
  }

  AttentionPattern pattern() const {
    AttentionPattern p{.left = c.left, .right = c.right, .dilation = c.dilation, .key_mask = mask};
    if (c.has_globals()) p.global_tokens = std::make_shared<GlobalTokens>(c.globals);
    p.dropout = {c.dropout, {.seed = 11, .use = kFirstDropoutUse, .step = 3}};
    p.offsets = {0};
    for (const int64_t length : c.lengths) p.offsets.push_back(p.offsets.back() + length);
    return p;
  }

  SlicedCase c;
  Tensor qkv, cotangent, u, v, r, global_q, global_k, global_v, mask;
  int64_t zero_row = 0;
};

struct Outcome {
  Tensor context, dqkv, du, dv, dr, dglobal_q, dglobal_k, dglobal_v;
};

// What a rank computes of its rows; of the whole batch without slices.
inline Outcome attended(const WholeBatch& batch, const AttentionPattern& pattern,
                        const std::vector<int64_t>& rows, const std::vector<int64_t>& global_rows) {
  const auto leaf = [](const Tensor& x, const std::vector<int64_t>& of) { return Var::leaf(chosen(x, of)); };
  const Var qkv = leaf(batch.qkv, rows), q = leaf(batch.global_q, global_rows);
  const Var k = leaf(batch.global_k, rows), v = leaf(batch.global_v, rows);
  const RelativeTerm term{Var::leaf(batch.u), Var::leaf(batch.v), Var::leaf(batch.r), batch.zero_row};
  Var y = window_attention(qkv, pattern, batch.c.relative ? &term : nullptr);
  if (batch.c.has_globals()) y = global_attention(y, q, k, v, pattern);
  tape().backward(y, chosen(batch.cotangent, rows));
  const auto gradient = [](const Var& x) { return x.gradient()->sum; };
  return {y.value(),        gradient(qkv), gradient(term.u), gradient(term.v),
          gradient(term.r), gradient(q),   gradient(k),      gradient(v)};
}

inline Tensor cut_mask(const Tensor& mask, const std::vector<int64_t>& rows) {
  return mask.defined() ? chosen(mask, rows) : mask;
}

inline std::vector<int64_t> all_rows(int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  for (int64_t n = 0; n < count; ++n) rows[static_cast<size_t>(n)] = n;
  return rows;
}

inline Outcome on_one_rank(const WholeBatch& batch) {
  return attended(batch, batch.pattern(), all_rows(batch.c.tokens()), all_rows(batch.global_q.dim(0)));
}

// Which of the listed global tokens are in a rank's slices.
inline std::vector<int64_t> globals_of_rank(const SequenceSlices& slices, const GlobalTokens& globals,
                                            int rank) {
  std::vector<int64_t> result;
  for (size_t b = 0; b + 1 < globals.offsets.size(); ++b) {
    for (int64_t n = globals.offsets[b]; n < globals.offsets[b + 1]; ++n)
      if (slices.owner(static_cast<int64_t>(b), globals.positions[static_cast<size_t>(n)]) == rank)
        result.push_back(n);
  }
  return result;
}

// Every rank's rows together; gradients of what all ranks share are added.
// `watched` runs what it is given, the operations and their backward.
using Watch = std::function<void(Communicator&, const std::function<void()>&)>;
inline Outcome on_ranks(
    const WholeBatch& batch, const Watch& watched = [](Communicator&, auto& layer) { layer(); }) {
  Outcome whole{Tensor::zeros_like(batch.cotangent), Tensor::zeros_like(batch.qkv),
                Tensor::zeros_like(batch.u),         Tensor::zeros_like(batch.v),
                Tensor::zeros_like(batch.r),         Tensor::zeros_like(batch.global_q),
                Tensor::zeros_like(batch.global_k),  Tensor::zeros_like(batch.global_v)};
  std::mutex mutex;
  run_ranks(batch.c.ranks, [&](const std::shared_ptr<Communicator>& ranks) {
    const SequenceSlices slices{ranks, batch.c.lengths};
    const std::vector<int64_t> rows = rows_of_rank(slices, ranks->rank());
    const std::vector<int64_t> globals = globals_of_rank(slices, batch.c.globals, ranks->rank());
    AttentionPattern pattern = batch.pattern();
    pattern.key_mask = cut_mask(pattern.key_mask, rows);
    pattern.offsets = slices.offsets(ranks->rank());
    pattern.slices = std::make_shared<const SequenceSlices>(slices);
    Outcome mine;
    watched(*ranks, [&] { mine = attended(batch, pattern, rows, globals); });
    const std::lock_guard lock(mutex);
    put(mine.context, rows, whole.context);
    put(mine.dqkv, rows, whole.dqkv);
    if (batch.c.relative) {
      kernels::accumulate(mine.du, whole.du);
      kernels::accumulate(mine.dv, whole.dv);
      kernels::accumulate(mine.dr, whole.dr);
    }
    if (!batch.c.has_globals()) return;
    put(mine.dglobal_q, globals, whole.dglobal_q);
    put(mine.dglobal_k, rows, whole.dglobal_k);
    put(mine.dglobal_v, rows, whole.dglobal_v);
  });
  return whole;
}

}  // namespace lf::sliced
