// Window attention: what both devices' halves may rely on, and which of them runs.
#include <algorithm>
#include <ostream>
#include <vector>

#include "core/kernels/attention/pairs.h"
#include "core/kernels/attention/scratch.h"
#include "core/kernels/attention/shares.h"
#include "core/kernels/kernels.h"
#include "core/operations.h"

namespace lf::kernels {
namespace {

// Of the device's kernel for the gradients of relative positions, the largest that attention has for itself
// there.
int64_t distance_sums_bytes(const AttentionCall& call, int64_t H, int64_t K, bool relative, DType dtype) {
  if (!relative || dtype != DType::bf16 || !cuda::has_tensor_core_width(K) || call.tokens() == 0) return 0;
  int64_t tiles = 0;
  const int64_t longest = call.longest();
  const std::vector<int32_t> none{1};
  for (const int64_t D : call.dilation.empty() ? none : call.dilation)
    tiles = std::max(tiles, cuda::tiles_of_head(longest, std::min(D, longest)));
  const int64_t window = std::min(call.left, longest - 1) + std::min(call.right, longest - 1) + 1;
  return cuda::distance_shares(call.sequences(), tiles, window).bytes(H, K);
}

void check_globals(const char* who, const AttentionCall& call) {
  const auto& [offsets, positions] = *call.globals;
  CHECK(std::ssize(offsets) == call.sequences() + 1 && offsets.front() == 0 &&
            offsets.back() == std::ssize(positions),
        who, ": the global tokens' offsets must be ", call.sequences() + 1, " numbers from 0 to ",
        positions.size());
  CHECK(std::ranges::is_sorted(offsets), who, ": the global tokens' offsets must not fall");
  CHECK(call.global_places.empty() || call.global_places.size() == positions.size(), who, ": ",
        call.global_places.size(), " places of ", positions.size(), " global tokens");
  for (int64_t b = 0; b < call.sequences(); ++b) {
    int64_t previous = -1;
    for (int64_t n = offsets[static_cast<size_t>(b)]; n < offsets[static_cast<size_t>(b) + 1]; ++n) {
      const int64_t t = positions[static_cast<size_t>(n)];
      CHECK(t >= 0 && t < call.length(b), who, ": global token ", t, " of sequence ", b, " is outside ",
            call.length(b), " tokens");
      CHECK(t > previous, who, ": global tokens of sequence ", b, " must ascend");
      previous = t;
    }
  }
}

void check_call(const char* who, const AttentionCall& call, int64_t H) {
  CHECK(!call.offsets.empty() && call.offsets.front() == 0 && std::ranges::is_sorted(call.offsets), who,
        ": the offsets of the sequences must begin with 0 and not fall");
  CHECK(call.left >= 0 && call.right >= 0, who, ": window of ", call.left, " keys left and ", call.right,
        " right; needed >= 0");
  CHECK(call.dilation.empty() || std::ssize(call.dilation) == H, who, ": ", call.dilation.size(),
        " dilations for ", H, " heads");
  for (const int32_t D : call.dilation) CHECK(D >= 1, who, ": dilation ", D, "; 1 means none");
  CHECK(call.dropout.probability >= 0 && call.dropout.probability < 1, who, ": dropout probability ",
        call.dropout.probability, " is outside [0, 1)");
  CHECK(call.query_begin >= 0 && call.query_end <= call.longest(), who, ": queries [", call.query_begin, ", ",
        call.query_end, ") of ", call.longest(), " tokens");
  CHECK(!call.mask.defined() || (call.mask.elements() == call.tokens() && call.mask.dtype() == DType::u8),
        who, ": a key mask of ", call.mask.elements(), " elements for ", call.tokens(), " tokens");
  if (call.globals) check_globals(who, call);
}

// r must have a row for every distance that a window can reach inside a sequence.
void check_distances(const char* who, const AttentionCall& call, const RelativeTensors& relative) {
  int64_t before = 0, after = 0;
  const int64_t most = std::max<int64_t>(call.longest() - 1, 0);
  const auto reach = [&](int64_t steps, int64_t D) { return std::min(steps, most / D) * D; };
  const std::vector<int32_t> none{1};
  for (const int32_t D : call.dilation.empty() ? none : call.dilation) {
    before = std::max(before, reach(call.left, D)), after = std::max(after, reach(call.right, D));
  }
  const int64_t rows = relative.r.dim(0);
  CHECK(relative.zero_row >= after && rows > relative.zero_row + before, who, ": r has ", rows,
        " rows with distance 0 in row ", relative.zero_row, "; distances -", after, " to ", before,
        " are needed");
}

void check_tokens(const char* who, const AttentionCall& call, const Tensor& x, const Tensor& like) {
  const Shape needed{call.tokens(), like.dim(1), like.dim(2)};
  CHECK(x.shape() == needed && x.dtype() == like.dtype(), who, ": ", x.shape(), ' ', name(x.dtype()),
        ", needed ", needed, ' ', name(like.dtype()));
}

void check_qkv(const char* who, const AttentionCall& call, const TokenTensors& qkv, const Tensor& context) {
  if (!qkv.packed.defined()) {
    for (const Tensor* x : {&qkv.q, &qkv.k, &qkv.v}) check_tokens(who, call, *x, context);
    return;
  }
  const Shape needed{call.tokens(), 3, context.dim(1), context.dim(2)};
  CHECK(qkv.packed.shape() == needed && qkv.packed.dtype() == context.dtype(), who, ": qkv is ",
        qkv.packed.shape(), ", needed ", needed);
}

}  // namespace

void check_attention(const char* who, const AttentionCall& call, int64_t H, int64_t K, DType dtype,
                     const RelativeTensors& relative) {
  check_call(who, call, H);
  const auto& [u, v, r, zero_row] = relative;
  if (!r.defined()) return;
  CHECK(r.shape().rank() == 3 && r.dim(1) == H && r.dim(2) == K && r.dtype() == dtype, who, ": r is ",
        r.shape(), ' ', name(r.dtype()), ", needed (distances, ", H, ", ", K, ") ", name(dtype));
  check_distances(who, call, relative);
  const Shape bias{H, K};
  CHECK(u.shape() == bias && v.shape() == bias, who, ": u and v are ", u.shape(), " and ", v.shape(),
        ", needed ", bias);
}

int64_t AttentionCall::longest() const {
  int64_t most = 0;
  for (int64_t b = 0; b < sequences(); ++b) most = std::max(most, length(b));
  return most;
}

namespace {

void list(std::ostream& out, const char* what, const auto& values) {
  out << ' ' << what;
  for (const auto& value : values) out << ' ' << value;
}

}  // namespace

void AttentionCall::describe(std::ostream& out) const {
  list(out, "offsets", offsets);
  out << " left " << left << " right " << right << (mask.defined() ? " masked" : "");
  list(out, "dilation", dilation);
  if (globals) {
    list(out, "globals", globals->offsets);
    list(out, "at", globals->positions);
  }
  out << (dropout.active() ? " drops" : "") << " queries " << query_begin << ' ' << query_end;
}

void DenseCall::describe(std::ostream& out) const {
  list(out, "queries", query_offsets);
  list(out, "keys", key_offsets);
  list(out, "at", positions);
  out << (causal ? " causal" : "") << (mask.defined() ? " masked" : "") << (dropout.active() ? " drops" : "");
}

std::vector<int64_t> equal_offsets(int64_t B, int64_t T) {
  std::vector<int64_t> offsets(static_cast<size_t>(B) + 1);
  for (int64_t b = 0; b <= B; ++b) offsets[static_cast<size_t>(b)] = b * T;
  return offsets;
}

void window_attention(const AttentionCall& call, const TokenTensors& qkv, const RelativeTensors& relative,
                      Tensor& context, Tensor& lse) {
  check_attention("window_attention", call, context.dim(1), context.dim(2), context.dtype(), relative);
  check_qkv("window_attention", call, qkv, context);
  const int64_t H = context.dim(1), K = context.dim(2);
  const bool is_relative = relative.r.defined();
  count_attention(window_operations(attention_pairs(call, H), K, is_relative));
  plan_scratch(context.device(), [&](Device d) {
    return d == Device::cpu ? cpu::window_scratch(AttentionPlan(call, H, K), is_relative, context.dtype())
                            : 0;
  });
  LF_DISPATCH(context.device(), window_attention, call, qkv, relative, context, lse);
}

void window_attention_backward(const AttentionCall& call, const TokenTensors& qkv,
                               const RelativeTensors& relative, const Tensor& context, const Tensor& lse,
                               const Tensor& dcontext, const TokenTensors& dqkv,
                               const RelativeTensors& drelative) {
  check_attention("window_attention", call, context.dim(1), context.dim(2), context.dtype(), relative);
  check_qkv("window_attention", call, qkv, context);
  check_qkv("window_attention", call, dqkv, context);
  CHECK(relative.r.defined() == drelative.r.defined(),
        "window_attention: relative positions and their gradients go together");
  const int64_t H = context.dim(1), K = context.dim(2);
  const bool is_relative = relative.r.defined();
  count_attention(window_backward_operations(attention_pairs(call, H), K, is_relative));
  plan_scratch(context.device(), [&](Device d) {
    if (d != Device::cpu) return distance_sums_bytes(call, H, K, is_relative, context.dtype());
    return cpu::window_backward_scratch(AttentionPlan(call, H, K), is_relative, context.dtype());
  });
  LF_DISPATCH(context.device(), window_attention_backward, call, qkv, relative, context, lse, dcontext, dqkv,
              drelative);
}

}  // namespace lf::kernels
