// Dense attention, and the rows of global tokens that it computes: checks, and which device's half runs.
#include <algorithm>
#include <vector>

#include "core/kernels/attention/pairs.h"
#include "core/kernels/attention/scratch.h"
#include "core/kernels/kernels.h"
#include "core/operations.h"

namespace lf::kernels {
namespace {

void check_offsets(const char* what, const std::vector<int64_t>& offsets, const Tensor& x) {
  CHECK(!offsets.empty() && offsets.front() == 0 && std::ranges::is_sorted(offsets) &&
            offsets.back() == x.dim(0),
        "dense_attention: the offsets of the ", what, " must go from 0 to their number, ", x.dim(0),
        ", and not fall");
}

void check_positions(const DenseCall& call) {
  CHECK(call.positions.empty() || std::ssize(call.positions) == call.query_offsets.back(),
        "dense_attention: ", call.positions.size(), " positions for ", call.query_offsets.back(), " queries");
  if (!call.causal || call.positions.empty()) return;
  for (size_t b = 0; b + 1 < call.query_offsets.size(); ++b) {
    const auto first = call.positions.begin() + call.query_offsets[b];
    CHECK(std::is_sorted(first, call.positions.begin() + call.query_offsets[b + 1]),
          "dense_attention: causal positions of sequence ", b, " must ascend");
  }
}

void check(const DenseCall& call, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& context) {
  const auto fits = [&](const Tensor& x, int64_t rows) {
    return x.shape() == Shape{rows, q.dim(1), q.dim(2)} && x.dtype() == q.dtype();
  };
  CHECK(q.shape().rank() == 3 && fits(context, q.dim(0)) && fits(k, k.dim(0)) && fits(v, k.dim(0)),
        "dense_attention: q, k, v are ", q.shape(), ' ', name(q.dtype()), ", ", k.shape(), ' ',
        name(k.dtype()), ", ", v.shape(), ' ', name(v.dtype()),
        "; needed (M, H, K) and twice (N, H, K) of one dtype");
  CHECK(call.query_offsets.size() == call.key_offsets.size(), "dense_attention: ", call.query_offsets.size(),
        " offsets of queries, ", call.key_offsets.size(), " of keys");
  check_offsets("queries", call.query_offsets, q);
  check_offsets("keys", call.key_offsets, k);
  check_positions(call);
  CHECK(!call.mask.defined() || (call.mask.elements() == k.dim(0) && call.mask.dtype() == DType::u8),
        "dense_attention: a mask of ", call.mask.elements(), " elements for ", k.dim(0), " keys");
  CHECK(call.dropout.probability >= 0 && call.dropout.probability < 1,
        "dense_attention: dropout probability ", call.dropout.probability, " is outside [0, 1)");
}

}  // namespace

DenseCall global_queries(const AttentionCall& call) {
  const auto& [offsets, positions] = *call.globals;
  DenseCall dense{.query_offsets = offsets, .key_offsets = call.offsets, .positions = positions};
  dense.scale = call.scale, dense.mask = call.mask;
  dense.dropout = call.dropout, dense.first_row = call.first_row;
  dense.total_queries = dense.total_keys = call.longest();
  if (!call.mask.defined()) return dense;
  const uint8_t* const mask = call.mask.data<uint8_t>();
  for (int64_t b = 0; b < call.sequences(); ++b) {
    for (int64_t n = offsets[static_cast<size_t>(b)]; n < offsets[static_cast<size_t>(b) + 1]; ++n) {
      int64_t& position = dense.positions[static_cast<size_t>(n)];
      if (mask[call.begin(b) + position] == 0) position = -1;
    }
  }
  return dense;
}

void dense_attention(const DenseCall& call, const Tensor& q, const Tensor& k, const Tensor& v,
                     Tensor& context, Tensor& lse) {
  check(call, q, k, v, context);
  if (q.dim(0) == 0) return;
  const int64_t H = context.dim(1), K = context.dim(2);
  count_attention(dense_operations(dense_pairs(call, H), K));
  plan_scratch(context.device(), [&](Device d) {
    return d == Device::cpu ? cpu::dense_scratch(DenseShape(call, H, K), context.dtype()) : 0;
  });
  LF_DISPATCH(context.device(), dense_attention, call, q, k, v, context, lse);
}

void dense_attention_backward(const DenseCall& call, const Tensor& q, const Tensor& k, const Tensor& v,
                              const Tensor& context, const Tensor& lse, const Tensor& dcontext, Tensor& dq,
                              Tensor& dk, Tensor& dv) {
  check(call, q, k, v, context);
  if (q.dim(0) == 0) {
    dk.fill_zero();
    dv.fill_zero();
    return;
  }
  const int64_t H = context.dim(1), K = context.dim(2);
  count_attention(dense_backward_operations(dense_pairs(call, H), K));
  plan_scratch(context.device(), [&](Device d) {
    return d == Device::cpu ? cpu::dense_backward_scratch(DenseShape(call, H, K), context.dtype()) : 0;
  });
  LF_DISPATCH(context.device(), dense_attention_backward, call, q, k, v, context, lse, dcontext, dq, dk, dv);
}

void take_global_rows(const AttentionCall& call, const Tensor& x, Tensor& rows) {
  if (call.global_tokens() == 0) return;
  LF_DISPATCH(x.device(), take_global_rows, call, x, rows);
}
void put_global_rows(const AttentionCall& call, const Tensor& rows, Tensor& x) {
  if (call.global_tokens() == 0) return;
  LF_DISPATCH(x.device(), put_global_rows, call, rows, x);
}
void clear_global_rows(const AttentionCall& call, Tensor& x) {
  if (call.global_tokens() == 0) return;
  LF_DISPATCH(x.device(), clear_global_rows, call, x);
}

namespace cpu {
namespace {

// Calls f(n, row) for listed token n, which is row `row` of the batch.
template <class F>
void for_each_global(const AttentionCall& call, F&& f) {
  for (int64_t b = 0; b < call.sequences(); ++b) {
    const auto& [offsets, positions] = *call.globals;
    for (int64_t n = offsets[static_cast<size_t>(b)]; n < offsets[static_cast<size_t>(b) + 1]; ++n)
      f(n, call.begin(b) + positions[static_cast<size_t>(n)]);
  }
}

}  // namespace

void take_global_rows(const AttentionCall& call, const Tensor& x, Tensor& rows) {
  for_each_global(call,
                  [&](int64_t n, int64_t row) { rows.slice(n, n + 1).copy_from(x.slice(row, row + 1)); });
}
void put_global_rows(const AttentionCall& call, const Tensor& rows, Tensor& x) {
  for_each_global(call,
                  [&](int64_t n, int64_t row) { x.slice(row, row + 1).copy_from(rows.slice(n, n + 1)); });
}
void clear_global_rows(const AttentionCall& call, Tensor& x) {
  for_each_global(call, [&](int64_t, int64_t row) { x.slice(row, row + 1).fill_zero(); });
}

}  // namespace cpu
}  // namespace lf::kernels
