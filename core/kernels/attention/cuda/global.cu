// Dense attention of the global tokens on the device.
#include "core/kernels/attention/global.h"

#include <type_traits>

#include "core/cuda/launch.h"
#include "core/kernels/attention/cuda/plain.h"
#include "core/kernels/attention/cuda/tensor_cores.h"

namespace lf::kernels::cuda {
namespace {

template <class T>
PlainAttention<T> plain_call(const DeviceAttention& shape, int64_t queries, const T* q, TokenView<const T> k,
                             TokenView<const T> v) {
  PlainAttention<T> call;
  call.shape = shape;
  call.dense = true;
  call.queries = queries;
  call.q = {q, 0, int64_t{shape.H} * shape.K};
  call.k = k, call.v = v;
  return call;
}

// One block for each listed token.
template <class T>
__global__ void clear_rows_kernel(DeviceAttention shape, TokenView<T> x) {
  int b = 0;
  while (shape.global_offsets[b + 1] <= static_cast<int>(blockIdx.x)) ++b;
  T* const row = x.row(b, shape.global_positions[blockIdx.x], 0);
  for (int i = static_cast<int>(threadIdx.x); i < shape.H * shape.K; i += static_cast<int>(blockDim.x))
    row[i] = T(0.0f);
}

}  // namespace

template <class Element>
void global_attention_forward(const WindowAttentionShape& shape, const Element* q, TokenView<const Element> k,
                              TokenView<const Element> v, TokenView<Element> context,
                              Accumulator<Element>* lse) {
  const AttentionOnDevice lists(shape);
  const int64_t queries = shape.global_offsets[shape.B];
  if constexpr (std::is_same_v<Element, bf16>) {
    const TokenView<const bf16> rows{q, 0, shape.H * shape.K};
    if (has_tensor_cores<Element>(shape, nullptr, rows, k, v, context))
      return tensor_core_dense_forward(tile_call(lists.view(), rows, k, v), queries, context, lse);
  }
  plain_forward(plain_call(lists.view(), queries, q, k, v), context, lse);
}

template <class Element>
void global_attention_backward(const WindowAttentionShape& shape, const Element* q,
                               TokenView<const Element> k, TokenView<const Element> v,
                               TokenView<const Element> context, const Accumulator<Element>* lse,
                               TokenView<const Element> dcontext, Element* dq, TokenView<Element> dk,
                               TokenView<Element> dv) {
  using A = Accumulator<Element>;
  const AttentionOnDevice lists(shape);
  const int64_t queries = shape.global_offsets[shape.B];
  const Tensor delta = Tensor::empty({queries, shape.H}, DTypeOf<A>::value, Device::cuda);
  if constexpr (std::is_same_v<Element, bf16>) {
    const TokenView<const bf16> rows{q, 0, shape.H * shape.K};
    if (has_tensor_cores<Element>(shape, nullptr, rows, k, v, context, dcontext, dk, dv)) {
      TileCall tiles = tile_call(lists.view(), rows, k, v);
      tiles.context = context, tiles.dcontext = dcontext, tiles.lse = lse,
      tiles.delta = delta.device_data<A>();
      tensor_core_dense_backward_queries(tiles, queries, dq);
      return tensor_core_dense_backward_keys(tiles, dk, dv);
    }
  }
  PlainAttention<Element> call = plain_call(lists.view(), queries, q, k, v);
  call.context = context, call.dcontext = dcontext, call.lse = lse;
  call.delta = delta.device_data<A>();
  plain_backward_queries(call, TokenView<Element>{dq, 0, shape.H * shape.K});
  plain_backward_keys(call, dk, dv);
}

template <class Element>
void clear_global_rows(const WindowAttentionShape& shape, TokenView<Element> x) {
  const AttentionOnDevice lists(shape);
  lf::cuda::launch(clear_rows_kernel<Element>, {shape.global_offsets[shape.B]}, 256, 0, lists.view(), x);
}

#define LF_GLOBAL_ATTENTION(T)                                                                           \
  template void global_attention_forward(const WindowAttentionShape&, const T*, TokenView<const T>,      \
                                         TokenView<const T>, TokenView<T>, Accumulator<T>*);             \
  template void global_attention_backward(const WindowAttentionShape&, const T*, TokenView<const T>,     \
                                          TokenView<const T>, TokenView<const T>, const Accumulator<T>*, \
                                          TokenView<const T>, T*, TokenView<T>, TokenView<T>);           \
  template void clear_global_rows(const WindowAttentionShape&, TokenView<T>)
LF_GLOBAL_ATTENTION(float);
LF_GLOBAL_ATTENTION(double);
LF_GLOBAL_ATTENTION(bf16);

}  // namespace lf::kernels::cuda
