// Window attention on the device: which kernels run, in which order, with what memory between them.
#include "core/kernels/window_attention.h"

#include "core/kernels/window_attention_plain.h"

namespace lf::kernels::cuda {
namespace {

template <class T>
PlainAttention<T> plain_call(const DeviceAttention& shape, TokenView<const T> q, TokenView<const T> k,
                             TokenView<const T> v, const RelativePositions<T>* relative) {
  PlainAttention<T> call;
  call.shape = shape;
  call.queries = int64_t{shape.B} * shape.T;
  call.q = q, call.k = k, call.v = v;
  if (relative) {
    call.u = relative->u, call.v_bias = relative->v, call.r = relative->r;
    call.rows = relative->rows, call.zero_row = relative->zero_row;
  }
  return call;
}

}  // namespace

template <class Element>
void window_attention_forward(const WindowAttentionShape& shape, TokenView<const Element> q,
                              TokenView<const Element> k, TokenView<const Element> v,
                              const RelativePositions<Element>* relative, TokenView<Element> context,
                              Accumulator<Element>* lse) {
  const AttentionOnDevice lists(shape);
  plain_forward(plain_call(lists.view(), q, k, v, relative), context, lse);
}

template <class Element>
void window_attention_backward(const WindowAttentionShape& shape, TokenView<const Element> q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               const RelativePositions<Element>* relative, TokenView<const Element> context,
                               const Accumulator<Element>* lse, TokenView<const Element> dcontext,
                               TokenView<Element> dq, TokenView<Element> dk, TokenView<Element> dv,
                               const RelativeGradients<Element>* relative_gradients) {
  using A = Accumulator<Element>;
  const AttentionOnDevice lists(shape);
  const auto floats = [](const Shape& of) { return Tensor::empty(of, DTypeOf<A>::value, Device::cuda); };
  PlainAttention<Element> call = plain_call(lists.view(), q, k, v, relative);
  call.context = context, call.dcontext = dcontext, call.lse = lse;
  const Tensor delta = floats({shape.B, shape.H, shape.T});
  call.delta = delta.device_data<A>();
  Tensor key_sums, distance_sums;
  if (relative) {
    key_sums = floats({shape.B, shape.H, shape.T}), distance_sums = floats({relative->rows, shape.H});
    call.key_sums = key_sums.device_data<A>(), call.distance_sums = distance_sums.device_data<A>();
  }
  plain_backward_queries(call, dq);
  plain_backward_keys(call, dk, dv);
  if (!relative) return;
  plain_backward_distances(call, relative_gradients->dr);
  bias_gradient(lists.view(), call.key_sums, k, relative_gradients->du);
  position_bias_gradient(relative->rows, shape.H, shape.K, call.distance_sums, relative->r,
                         relative_gradients->dv);
}

#define LF_WINDOW_ATTENTION(T)                                                                        \
  template void window_attention_forward(const WindowAttentionShape&, TokenView<const T>,             \
                                         TokenView<const T>, TokenView<const T>,                      \
                                         const RelativePositions<T>*, TokenView<T>, Accumulator<T>*); \
  template void window_attention_backward(                                                            \
      const WindowAttentionShape&, TokenView<const T>, TokenView<const T>, TokenView<const T>,        \
      const RelativePositions<T>*, TokenView<const T>, const Accumulator<T>*, TokenView<const T>,     \
      TokenView<T>, TokenView<T>, TokenView<T>, const RelativeGradients<T>*)
LF_WINDOW_ATTENTION(float);
LF_WINDOW_ATTENTION(double);
LF_WINDOW_ATTENTION(bf16);

}  // namespace lf::kernels::cuda
