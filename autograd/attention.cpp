#include "autograd/attention.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "core/kernels/attention/global.h"
#include "core/kernels/attention/window.h"
#include "core/profile.h"

namespace lf {
namespace {

struct Sizes {
  int64_t B, T, H, K;
  Shape shape() const { return {B, T, H, K}; }
};

// The kernel's description of the call. The pattern must outlive it.
WindowAttentionShape describe(const Sizes& s, const AttentionPattern& p) {
  WindowAttentionShape result;
  result.B = s.B, result.T = s.T, result.H = s.H, result.K = s.K;
  result.left = p.left, result.right = p.right;
  result.dilation = p.dilation;
  result.scale = 1.0 / std::sqrt(static_cast<double>(s.K));
  if (p.key_mask.defined()) result.key_mask = p.key_mask.data<uint8_t>();
  if (p.global_tokens) {
    result.global_offsets = p.global_tokens->offsets.data();
    result.global_positions = p.global_tokens->positions.data();
  }
  result.dropout = p.dropout;
  return result;
}

void check_global_tokens(const char* op, const Sizes& s, const GlobalTokens& tokens) {
  const auto& [offsets, positions] = tokens;
  CHECK(static_cast<int64_t>(offsets.size()) == s.B + 1 && offsets.front() == 0 &&
            offsets.back() == static_cast<int64_t>(positions.size()),
        op, ": the global tokens' offsets must be ", s.B + 1, " numbers from 0 to ", positions.size());
  CHECK(std::is_sorted(offsets.begin(), offsets.end()), op, ": the global tokens' offsets must not fall");
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    for (int64_t n = offsets[b]; n < offsets[b + 1]; ++n) {
      const int64_t position = positions[static_cast<size_t>(n)];
      CHECK(position >= 0 && position < s.T, op, ": global token ", position, " of row ", b, " is outside ",
            s.T, " tokens");
      CHECK(n == offsets[b] || positions[static_cast<size_t>(n - 1)] < position, op,
            ": global tokens of row ", b, " must ascend");
    }
  }
}

void check_pattern(const char* op, const Sizes& s, const AttentionPattern& p) {
  CHECK(p.left >= 0 && p.right >= 0, op, ": window of ", p.left, " keys left and ", p.right,
        " right; needed >= 0");
  CHECK(p.dilation.empty() || static_cast<int64_t>(p.dilation.size()) == s.H, op, ": ", p.dilation.size(),
        " dilations for ", s.H, " heads");
  for (const int32_t d : p.dilation) CHECK(d >= 1, op, ": dilation ", d, "; 1 means none");
  CHECK(p.dropout.probability >= 0 && p.dropout.probability < 1, op, ": dropout probability ",
        p.dropout.probability, " is outside [0, 1)");
  CHECK(!p.key_mask.defined() || (p.key_mask.shape() == Shape{s.B, s.T} && p.key_mask.dtype() == DType::u8),
        op, ": key mask is ", p.key_mask.shape(), ", needed ", Shape{s.B, s.T}, " u8");
  if (p.global_tokens) check_global_tokens(op, s, *p.global_tokens);
}

void check_relative(const char* op, const Sizes& s, const AttentionPattern& p, const RelativeTerm& r,
                    DType dtype) {
  const int64_t reach = p.dilation.empty() ? 1 : *std::max_element(p.dilation.begin(), p.dilation.end());
  const int64_t behind = std::min(p.left * reach, s.T - 1), ahead = std::min(p.right * reach, s.T - 1);
  CHECK(r.r.shape().rank() == 3 && r.r.dim(1) == s.H && r.r.dim(2) == s.K && r.r.dtype() == dtype, op,
        ": r is ", r.r.shape(), ' ', name(r.r.dtype()), ", needed (distances, ", s.H, ", ", s.K, ") ",
        name(dtype));
  CHECK(r.zero_row >= ahead && r.r.dim(0) > r.zero_row + behind, op, ": r has ", r.r.dim(0),
        " rows with distance 0 in row ", r.zero_row, "; distances -", ahead, " to ", behind, " are needed");
  const Shape bias{s.H, s.K};
  CHECK(r.u.shape() == bias && r.v.shape() == bias, op, ": u and v are ", r.u.shape(), " and ", r.v.shape(),
        ", needed ", bias);
}

// The elements, on whichever device they are.
template <class T>
T* elements_of(const Tensor& x) {
  return x.device() == Device::cuda ? x.device_data<T>() : x.data<T>();
}
template <class T>
TokenView<const T> view_of(const Tensor& x, const Sizes& s) {
  return contiguous_view<const T>(elements_of<T>(x), s.T, s.H, s.K);
}
template <class T>
TokenView<T> output_of(const Tensor& x, const Sizes& s) {
  return contiguous_view(elements_of<T>(x), s.T, s.H, s.K);
}

// Calls kernels::cuda::f or f by the device of `tensor`.
#define LF_ATTENTION_DISPATCH(tensor, f, ...)  \
  do {                                         \
    if constexpr (kHasCuda) {                  \
      if ((tensor).device() == Device::cuda) { \
        kernels::cuda::f(__VA_ARGS__);         \
        break;                                 \
      }                                        \
    }                                          \
    f(__VA_ARGS__);                            \
  } while (0)

// The three views of a packed (B, T, 3, H, K) tensor, or of three separate ones.
template <class T>
struct Views {
  TokenView<T> q, k, v;
};
template <class T>
Views<T> views(const std::vector<Tensor>& inputs, const Sizes& s) {
  const int64_t width = s.H * s.K;
  const auto data = [&](size_t i) { return reinterpret_cast<T*>(inputs[i].raw()); };
  if (inputs.size() == 1) {
    const auto part = [&](int64_t i) {
      return TokenView<T>{data(0) + i * width, s.T * 3 * width, 3 * width};
    };
    return {part(0), part(1), part(2)};
  }
  const auto whole = [&](size_t i) { return contiguous_view(data(i), s.T, s.H, s.K); };
  return {whole(0), whole(1), whole(2)};
}

// The relative term's tensors, kept for backward.
struct RelativeTensors {
  Tensor u, v, r;
  int64_t zero_row = 0;

  template <class T>
  RelativePositions<T> view() const {
    using A = Accumulator<T>;
    return {elements_of<A>(u), elements_of<A>(v), elements_of<T>(r), r.dim(0), zero_row};
  }
};

std::vector<Tensor> backward_of(const std::vector<Tensor>& inputs, const Sizes& s,
                                const AttentionPattern& pattern, const RelativeTensors& relative,
                                const Tensor& context, const Tensor& lse, const Tensor& dcontext) {
  std::vector<Tensor> gradients;
  for (const Tensor& input : inputs) gradients.push_back(Tensor::like(input));
  visit_float(context.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const auto in = views<const T>(inputs, s);
    const auto out = views<T>(gradients, s);
    RelativePositions<T> terms;
    RelativeGradients<T> relative_gradients;
    const bool has_relative = relative.r.defined();
    if (has_relative) {
      terms = relative.view<T>();
      for (const Tensor& t : {relative.u, relative.v, relative.r}) gradients.push_back(Tensor::like(t));
      const size_t n = inputs.size();
      relative_gradients = {elements_of<A>(gradients[n]), elements_of<A>(gradients[n + 1]),
                            elements_of<T>(gradients[n + 2])};
    }
    LF_ATTENTION_DISPATCH(context, window_attention_backward<T>, describe(s, pattern), in.q, in.k, in.v,
                          has_relative ? &terms : nullptr, view_of<T>(context, s), elements_of<A>(lse),
                          view_of<T>(dcontext, s), out.q, out.k, out.v,
                          has_relative ? &relative_gradients : nullptr);
  });
  return gradients;
}

Var attend(const std::vector<Var>& inputs, const Sizes& s, const AttentionPattern& pattern,
           const RelativeTerm* relative) {
  const Phase phase("window_attention");
  const DType dtype = inputs[0].dtype();
  check_pattern("window_attention", s, pattern);
  if (relative) check_relative("window_attention", s, pattern, *relative, dtype);
  std::vector<Tensor> tensors;
  for (const Var& input : inputs) tensors.push_back(input.value());
  RelativeTensors terms;
  std::vector<Var> all = inputs;
  if (relative) {
    terms = {relative->u.value(), relative->v.value(), relative->r.value(), relative->zero_row};
    all.insert(all.end(), {relative->u, relative->v, relative->r});
  }
  Tensor context = Tensor::empty(s.shape(), dtype, tensors[0].device());
  Tensor lse =
      Tensor::empty({s.B, s.H, s.T}, dtype == DType::f64 ? DType::f64 : DType::f32, context.device());
  visit_float(dtype, [&]<class T>() {
    const auto in = views<const T>(tensors, s);
    RelativePositions<T> view;
    if (relative) view = terms.view<T>();
    LF_ATTENTION_DISPATCH(context, window_attention_forward<T>, describe(s, pattern), in.q, in.k, in.v,
                          relative ? &view : nullptr, output_of<T>(context, s),
                          elements_of<Accumulator<T>>(lse));
  });
  return tape().record("window_attention", context, all, [=](const Tensor& dcontext) {
    return backward_of(tensors, s, pattern, terms, context, lse, dcontext);
  });
}

// The rows of the context that global attention overwrote reach nothing.
template <class T>
void clear_overwritten_rows(Tensor& dcontext, const Sizes& s, const AttentionPattern& pattern) {
  if constexpr (kHasCuda) {
    if (dcontext.device() == Device::cuda)
      return kernels::cuda::clear_global_rows<T>(describe(s, pattern), output_of<T>(dcontext, s));
  }
  const auto& [offsets, positions] = *pattern.global_tokens;
  Tensor rows = dcontext.view({s.B * s.T, s.H * s.K});
  for (int64_t b = 0; b < s.B; ++b) {
    for (int64_t n = offsets[static_cast<size_t>(b)]; n < offsets[static_cast<size_t>(b + 1)]; ++n) {
      const int64_t row = b * s.T + positions[static_cast<size_t>(n)];
      rows.slice(row, row + 1).fill_zero();
    }
  }
}

Sizes sizes_of(const char* who, const Var& qkv) {
  CHECK(qkv.shape().rank() == 5 && qkv.dim(2) == 3, who, ": qkv is ", qkv.shape(),
        ", needed (B, T, 3, H, K)");
  return {qkv.dim(0), qkv.dim(1), qkv.dim(3), qkv.dim(4)};
}

}  // namespace

void check_attention(const char* who, const Var& qkv, const AttentionPattern& pattern,
                     const RelativeTerm* relative) {
  const Sizes s = sizes_of(who, qkv);
  check_pattern(who, s, pattern);
  if (relative) check_relative(who, s, pattern, *relative, qkv.dtype());
}

Var window_attention(const Var& qkv, const AttentionPattern& pattern, const RelativeTerm* relative) {
  return attend({qkv}, sizes_of("window_attention", qkv), pattern, relative);
}

Var window_attention(const Var& q, const Var& k, const Var& v, const AttentionPattern& pattern,
                     const RelativeTerm* relative) {
  CHECK(q.shape().rank() == 4 && k.shape() == q.shape() && v.shape() == q.shape() && k.dtype() == q.dtype() &&
            v.dtype() == q.dtype(),
        "window_attention: q, k, v are ", q.shape(), ", ", k.shape(), ", ", v.shape(),
        "; needed one shape (B, T, H, K) and one dtype");
  return attend({q, k, v}, {q.dim(0), q.dim(1), q.dim(2), q.dim(3)}, pattern, relative);
}

Var global_attention(const Var& context, const Var& q, const Var& k, const Var& v,
                     const AttentionPattern& pattern) {
  const Phase phase("global_attention");
  CHECK(pattern.global_tokens, "global_attention: the pattern has no global tokens");
  const Sizes s{context.dim(0), context.dim(1), context.dim(2), context.dim(3)};
  check_pattern("global_attention", s, pattern);
  const auto tokens = static_cast<int64_t>(pattern.global_tokens->positions.size());
  CHECK(q.shape() == (Shape{tokens, s.H, s.K}) && k.shape() == s.shape() && v.shape() == s.shape(),
        "global_attention: q, k, v are ", q.shape(), ", ", k.shape(), ", ", v.shape(), "; needed ",
        Shape{tokens, s.H, s.K}, " and twice ", s.shape());
  Tensor y = context.value().clone();
  Tensor lse = Tensor::empty({tokens, s.H}, y.dtype() == DType::f64 ? DType::f64 : DType::f32, y.device());
  visit_float(y.dtype(), [&]<class T>() {
    LF_ATTENTION_DISPATCH(y, global_attention_forward<T>, describe(s, pattern), elements_of<T>(q.value()),
                          view_of<T>(k.value(), s), view_of<T>(v.value(), s), output_of<T>(y, s),
                          elements_of<Accumulator<T>>(lse));
  });
  return tape().record(
      "global_attention", y, {context, q, k, v},
      [s, pattern, q = q.value(), k = k.value(), v = v.value(), y, lse](const Tensor& dy) {
        Tensor dcontext = dy.clone(), dq = Tensor::like(q), dk = Tensor::like(k), dv = Tensor::like(v);
        visit_float(y.dtype(), [&]<class T>() {
          LF_ATTENTION_DISPATCH(y, global_attention_backward<T>, describe(s, pattern), elements_of<T>(q),
                                view_of<T>(k, s), view_of<T>(v, s), view_of<T>(y, s),
                                elements_of<Accumulator<T>>(lse), view_of<T>(dy, s), elements_of<T>(dq),
                                output_of<T>(dk, s), output_of<T>(dv, s));
          clear_overwritten_rows<T>(dcontext, s, pattern);
        });
        return std::vector{dcontext, dq, dk, dv};
      });
}

}  // namespace lf
