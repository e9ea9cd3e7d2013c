#include "autograd/attention.h"

#include <cmath>

#include "autograd/ops.h"
#include "autograd/sliced_attention.h"
#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

using kernels::AttentionCall;
using kernels::RelativeTensors;
using kernels::TokenTensors;

// The axes of a tensor's tokens: (B, T), or (N) of a ragged batch; then H and K.
struct Sizes {
  Shape tokens;
  int64_t H, K;

  Shape with(std::initializer_list<int64_t> more) const {
    std::vector<int64_t> dims = tokens.dims();
    dims.insert(dims.end(), more);
    return Shape(dims);
  }
  Shape shape() const { return with({H, K}); }
  // The same seen by kernels, to which a batch of equal lengths is N tokens too.
  Shape flat() const { return {tokens.elements(), H, K}; }
};

// Sizes of x (B, T, ..., H, K), or (N, ..., H, K) where the pattern has offsets.
Sizes sizes_of(const Var& x, const AttentionPattern& pattern) {
  const std::vector<int64_t>& dims = x.shape().dims();
  const auto end = dims.begin() + (pattern.offsets.empty() ? 2 : 1);
  return {Shape(std::vector<int64_t>(dims.begin(), end)), x.dim(-2), x.dim(-1)};
}

AttentionCall call_of(const char* op, const Sizes& s, const AttentionPattern& p) {
  CHECK(!p.key_mask.defined() || (p.key_mask.shape() == s.tokens && p.key_mask.dtype() == DType::u8), op,
        ": key mask is ", p.key_mask.shape(), ", needed ", s.tokens, " u8");
  CHECK(p.offsets.empty() || p.offsets.back() == s.tokens[0], op, ": the offsets of the sequences end at ",
        p.offsets.empty() ? 0 : p.offsets.back(), ", there are ", s.tokens[0], " tokens");
  return {.offsets = p.offsets.empty() ? kernels::equal_offsets(s.tokens[0], s.tokens[1]) : p.offsets,
          .left = p.left,
          .right = p.right,
          .dilation = p.dilation,
          .scale = 1.0 / std::sqrt(static_cast<double>(s.K)),
          .mask = p.key_mask,
          .globals = p.global_tokens,
          .dropout = p.dropout};
}

const char* needed_shape(const AttentionPattern& pattern, bool packed) {
  if (pattern.offsets.empty()) return packed ? "(B, T, 3, H, K)" : "(B, T, H, K)";
  return packed ? "(N, 3, H, K)" : "(N, H, K)";
}

void check_packed(const char* who, const Var& qkv, const AttentionPattern& pattern) {
  const int64_t rank = pattern.offsets.empty() ? 5 : 4;
  CHECK(qkv.shape().rank() == rank && qkv.dim(-3) == 3, who, ": qkv is ", qkv.shape(), ", needed ",
        needed_shape(pattern, true));
}

// The inputs, or gradients of their shapes, as the kernel takes them.
TokenTensors token_tensors(const std::vector<Tensor>& x, const Sizes& s) {
  if (x.size() == 1) return {.packed = x[0].view({s.tokens.elements(), 3, s.H, s.K})};
  return {.q = x[0].view(s.flat()), .k = x[1].view(s.flat()), .v = x[2].view(s.flat())};
}

std::vector<Tensor> backward_of(const std::vector<Tensor>& inputs, const Sizes& s, const AttentionCall& call,
                                const RelativeTensors& relative, const Tensor& context, const Tensor& lse,
                                const Tensor& dcontext) {
  std::vector<Tensor> gradients;
  for (const Tensor& input : inputs) gradients.push_back(Tensor::like(input));
  RelativeTensors drelative;
  if (relative.r.defined())
    drelative = {Tensor::like(relative.u), Tensor::like(relative.v), Tensor::like(relative.r)};
  kernels::window_attention_backward(call, token_tensors(inputs, s), relative, context, lse,
                                     dcontext.view(s.flat()), token_tensors(gradients, s), drelative);
  if (relative.r.defined()) gradients.insert(gradients.end(), {drelative.u, drelative.v, drelative.r});
  return gradients;
}

Var attend(const std::vector<Var>& inputs, const Sizes& s, const AttentionPattern& pattern,
           const RelativeTerm* term) {
  const Phase phase("window_attention");
  const AttentionCall call = call_of("window_attention", s, pattern);
  if (pattern.slices) return sliced_window_attention(inputs, s.shape(), call, pattern.slices, term);
  const RelativeTensors relative = tensors_of(term);
  std::vector<Tensor> tensors;
  for (const Var& input : inputs) tensors.push_back(input.value());
  std::vector<Var> all = inputs;
  if (term) all.insert(all.end(), {term->u, term->v, term->r});
  Tensor context = Tensor::empty(s.flat(), tensors[0].dtype(), tensors[0].device());
  Tensor lse = sums_like({s.H, s.tokens.elements()}, context);
  kernels::window_attention(call, token_tensors(tensors, s), relative, context, lse);
  return tape().record("window_attention", context.view(s.shape()), all, [=](const Tensor& dcontext) {
    return backward_of(tensors, s, call, relative, context, lse, dcontext);
  });
}

}  // namespace

RelativeTensors tensors_of(const RelativeTerm* term) {
  if (!term) return {};
  return {term->u.value(), term->v.value(), term->r.value(), term->zero_row};
}

Tensor sums_like(const Shape& shape, const Tensor& x) {
  return Tensor::empty(shape, x.dtype() == DType::f64 ? DType::f64 : DType::f32, x.device());
}

void check_attention(const char* who, const Var& qkv, const AttentionPattern& pattern,
                     const RelativeTerm* relative) {
  check_packed(who, qkv, pattern);
  const Sizes s = sizes_of(qkv, pattern);
  kernels::check_attention(who, call_of(who, s, pattern), s.H, s.K, qkv.dtype(), tensors_of(relative));
}

Var window_attention(const Var& qkv, const AttentionPattern& pattern, const RelativeTerm* relative) {
  check_packed("window_attention", qkv, pattern);
  return attend({qkv}, sizes_of(qkv, pattern), pattern, relative);
}

Var window_attention(const Var& q, const Var& k, const Var& v, const AttentionPattern& pattern,
                     const RelativeTerm* relative) {
  const int64_t rank = pattern.offsets.empty() ? 4 : 3;
  CHECK(q.shape().rank() == rank && k.shape() == q.shape() && v.shape() == q.shape() &&
            k.dtype() == q.dtype() && v.dtype() == q.dtype(),
        "window_attention: q, k, v are ", q.shape(), ", ", k.shape(), ", ", v.shape(), "; needed one shape ",
        needed_shape(pattern, false), " and one dtype");
  return attend({q, k, v}, sizes_of(q, pattern), pattern, relative);
}

Var global_attention(const Var& context, const Var& q, const Var& k, const Var& v,
                     const AttentionPattern& pattern) {
  const Phase phase("global_attention");
  CHECK(pattern.global_tokens, "global_attention: the pattern has no global tokens");
  const Sizes s = sizes_of(context, pattern);
  const AttentionCall call = call_of("global_attention", s, pattern);
  if (pattern.slices) return sliced_global_attention(context, q, k, v, call, pattern.slices);
  kernels::check_attention("global_attention", call, s.H, s.K, q.dtype(), {});
  const Shape listed{call.global_tokens(), s.H, s.K};
  CHECK(q.shape() == listed && k.shape() == s.shape() && v.shape() == s.shape(),
        "global_attention: q, k, v are ", q.shape(), ", ", k.shape(), ", ", v.shape(), "; needed ", listed,
        " and twice ", s.shape());
  const kernels::DenseCall dense = kernels::global_queries(call);
  Tensor y = context.value().clone().view(s.flat()), rows = Tensor::like(q.value());
  Tensor lse = sums_like({call.global_tokens(), s.H}, y);
  const Tensor keys = k.value().view(s.flat()), values = v.value().view(s.flat());
  kernels::dense_attention(dense, q.value(), keys, values, rows, lse);
  kernels::put_global_rows(call, rows, y);
  return tape().record(
      "global_attention", y.view(s.shape()), {context, q, k, v},
      [s, call, dense, q = q.value(), keys, values, rows, lse](const Tensor& dy) {
        Tensor dcontext = dy.clone().view(s.flat()), drows = Tensor::like(rows);
        Tensor dq = Tensor::like(q), dk = Tensor::like(keys), dv = Tensor::like(values);
        kernels::take_global_rows(call, dcontext, drows);
        kernels::dense_attention_backward(dense, q, keys, values, rows, lse, drows, dq, dk, dv);
        // The rows of the context that were overwritten reach nothing.
        kernels::clear_global_rows(call, dcontext);
        return std::vector{dcontext.view(s.shape()), dq, dk.view(s.shape()), dv.view(s.shape())};
      });
}

Var dense_attention(const Var& q, const Var& k, const Var& v, const DensePattern& pattern) {
  const Phase phase("dense_attention");
  CHECK(q.shape().rank() == 3, "dense_attention: q is ", q.shape(), ", needed (M, H, K)");
  kernels::DenseCall call{.query_offsets = pattern.query_offsets, .key_offsets = pattern.key_offsets};
  call.positions = pattern.positions, call.causal = pattern.causal, call.mask = pattern.key_mask;
  call.scale = 1.0 / std::sqrt(static_cast<double>(q.dim(-1)));
  call.dropout = pattern.dropout;
  Tensor y = Tensor::like(q.value()), lse = sums_like({q.dim(0), q.dim(1)}, y);
  kernels::dense_attention(call, q.value(), k.value(), v.value(), y, lse);
  return tape().record("dense_attention", y, {q, k, v},
                       [call, q = q.value(), k = k.value(), v = v.value(), y, lse](const Tensor& dy) {
                         Tensor dq = Tensor::like(q), dk = Tensor::like(k), dv = Tensor::like(v);
                         kernels::dense_attention_backward(call, q, k, v, y, lse, dy, dq, dk, dv);
                         return std::vector{dq, dk, dv};
                       });
}

}  // namespace lf
