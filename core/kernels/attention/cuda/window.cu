// Window attention on the device: which kernels run, in which order, with what memory between them.
#include "core/kernels/attention/window.h"

#include <algorithm>
#include <initializer_list>
#include <type_traits>

#include "core/kernels/attention/cuda/bias.h"
#include "core/kernels/attention/cuda/plain.h"
#include "core/kernels/attention/cuda/tensor_cores.h"

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

int64_t most_tiles(const WindowAttentionShape& shape) {
  int64_t most = tiles_of_head(shape.T, 1);
  for (const int32_t D : shape.dilation)
    most = std::max(most, tiles_of_head(shape.T, std::min<int64_t>(D, std::max<int64_t>(shape.T, 1))));
  return most;
}

// The description of a call to tensor cores, and the products of biases that it refers to.
class TensorCoreCall {
 public:
  TensorCoreCall(const DeviceAttention& shape, TokenView<const bf16> q, TokenView<const bf16> k,
                 TokenView<const bf16> v, const RelativePositions<bf16>* relative)
      : call_(tile_call(shape, q, k, v)) {
    if (!relative) return;
    call_.r = relative->r;
    call_.rows = static_cast<int>(relative->rows), call_.zero_row = static_cast<int>(relative->zero_row);
    const auto floats = [](const Shape& of) { return Tensor::empty(of, DType::f32, Device::cuda); };
    key_bias_ = floats({shape.B, shape.H, shape.T}), distance_bias_ = floats({shape.H, relative->rows});
    bias_products(shape.B, shape.T, shape.H, shape.K, k, relative->u, key_bias_.device_data<float>());
    const auto r = contiguous_view(relative->r, relative->rows, shape.H, shape.K);
    bias_products(1, relative->rows, shape.H, shape.K, r, relative->v, distance_bias_.device_data<float>());
    call_.key_bias = key_bias_.device_data<float>();
    call_.distance_bias = distance_bias_.device_data<float>();
  }

  TileCall& operator*() { return call_; }
  TileCall* operator->() { return &call_; }

 private:
  TileCall call_;
  Tensor key_bias_, distance_bias_;
};

}  // namespace

int64_t tensor_core_shared_bytes(int64_t K, bool relative) {
  return std::max({forward_shared_bytes(K, relative), backward_queries_shared_bytes(K, relative),
                   backward_keys_shared_bytes(K, relative),
                   relative ? backward_distances_shared_bytes(K) : 0});
}

template <class Element>
void window_attention_forward(const WindowAttentionShape& shape, TokenView<const Element> q,
                              TokenView<const Element> k, TokenView<const Element> v,
                              const RelativePositions<Element>* relative, TokenView<Element> context,
                              Accumulator<Element>* lse) {
  const AttentionOnDevice lists(shape);
  if constexpr (std::is_same_v<Element, bf16>) {
    if (has_tensor_cores<Element>(shape, relative ? relative->r : nullptr, q, k, v, context)) {
      return tensor_core_forward(*TensorCoreCall(lists.view(), q, k, v, relative), most_tiles(shape), context,
                                 lse);
    }
  }
  plain_forward(plain_call(lists.view(), q, k, v, relative), context, lse);
}

namespace {

// Backward in bf16 on tensor cores.
void tensor_core_backward(TensorCoreCall call, int64_t tiles, const RelativePositions<bf16>* relative,
                          TokenView<const bf16> context, const float* lse, TokenView<const bf16> dcontext,
                          TokenView<bf16> dq, TokenView<bf16> dk, TokenView<bf16> dv,
                          const RelativeGradients<bf16>* relative_gradients) {
  const DeviceAttention& shape = call->shape;
  const auto floats = [](const Shape& of) { return Tensor::empty(of, DType::f32, Device::cuda); };
  const Tensor delta = floats({shape.B, shape.H, shape.T});
  call->context = context, call->dcontext = dcontext, call->lse = lse,
  call->delta = delta.device_data<float>();
  tensor_core_backward_queries(*call, tiles, dq);
  if (!relative) return tensor_core_backward_keys(*call, tiles, nullptr, dk, dv, nullptr);
  const Tensor key_sums = floats({shape.B, shape.H, shape.T});
  tensor_core_backward_keys(*call, tiles, relative->u, dk, dv, key_sums.device_data<float>());
  bias_gradient(shape, key_sums.device_data<float>(), call->k, relative_gradients->du);
  const Tensor distance_sums = floats({relative->rows, shape.H});
  tensor_core_backward_distances(*call, tiles, relative->v, relative_gradients->dr,
                                 distance_sums.device_data<float>());
  position_bias_gradient(relative->rows, shape.H, shape.K, distance_sums.device_data<float>(), relative->r,
                         relative_gradients->dv);
}

}  // namespace

template <class Element>
void window_attention_backward(const WindowAttentionShape& shape, TokenView<const Element> q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               const RelativePositions<Element>* relative, TokenView<const Element> context,
                               const Accumulator<Element>* lse, TokenView<const Element> dcontext,
                               TokenView<Element> dq, TokenView<Element> dk, TokenView<Element> dv,
                               const RelativeGradients<Element>* relative_gradients) {
  using A = Accumulator<Element>;
  const AttentionOnDevice lists(shape);
  if constexpr (std::is_same_v<Element, bf16>) {
    const Element* const r = relative ? relative->r : nullptr;
    if (has_tensor_cores<Element>(shape, r, q, k, v, context, dcontext, dq, dk, dv)) {
      return tensor_core_backward(TensorCoreCall(lists.view(), q, k, v, relative), most_tiles(shape),
                                  relative, context, lse, dcontext, dq, dk, dv, relative_gradients);
    }
  }
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
