// Window attention on the device: which kernels run, in which order, with what memory between them.
#include <algorithm>
#include <initializer_list>
#include <type_traits>

#include "core/kernels/attention/cuda/bias.h"
#include "core/kernels/attention/cuda/plain.h"
#include "core/kernels/attention/cuda/tensor_cores.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

Tensor sums(const Shape& shape, DType dtype) { return Tensor::empty(shape, dtype, Device::cuda); }

// The description of a call to tensor cores, and the products of biases that it refers to.
class TensorCoreCall {
 public:
  TensorCoreCall(const DeviceAttention& shape, const TokenViews<const bf16>& in,
                 const RelativePositions<bf16>& relative)
      : call_(tile_call(shape, in.q, in.k, in.v)) {
    if (!relative.r) return;
    call_.r = relative.r;
    call_.rows = static_cast<int>(relative.rows), call_.zero_row = static_cast<int>(relative.zero_row);
    key_bias_ = sums({shape.H, shape.N}, DType::f32);
    distance_bias_ = sums({shape.H, relative.rows}, DType::f32);
    bias_products(shape.N, shape.H, shape.K, in.k, relative.u, key_bias_.device_data<float>());
    const TokenView<const bf16> r{relative.r, int64_t{shape.H} * shape.K};
    bias_products(relative.rows, shape.H, shape.K, r, relative.v, distance_bias_.device_data<float>());
    call_.key_bias = key_bias_.device_data<float>();
    call_.distance_bias = distance_bias_.device_data<float>();
  }

  TileCall& operator*() { return call_; }
  TileCall* operator->() { return &call_; }

 private:
  TileCall call_;
  Tensor key_bias_, distance_bias_;
};

template <class T>
PlainAttention<T> plain_call(const DeviceAttention& shape, const TokenViews<const T>& in,
                             const RelativePositions<T>& relative) {
  PlainAttention<T> call;
  call.shape = shape;
  call.queries = shape.N;
  call.q = in.q, call.k = in.k, call.v = in.v;
  call.u = relative.u, call.v_bias = relative.v, call.r = relative.r;
  call.rows = relative.rows, call.zero_row = relative.zero_row;
  return call;
}

// What backward reads besides the inputs, and what it writes.
template <class T>
struct BackwardTensors {
  TokenView<const T> context, dcontext;
  const Accumulator<T>* lse;
  TokenViews<T> gradients;
  RelativeGradients<T> relative_gradients;
};

// Backward in bf16 on tensor cores.
void tensor_core_backward(TensorCoreCall call, const Tiles& tiles, const RelativePositions<bf16>& relative,
                          const BackwardTensors<bf16>& x) {
  const DeviceAttention& shape = call->shape;
  const Tensor delta = sums({shape.H, shape.N}, DType::f32);
  call->context = x.context, call->dcontext = x.dcontext, call->lse = x.lse;
  call->delta = delta.device_data<float>();
  const auto& [dq, dk, dv] = x.gradients;
  tensor_core_backward_queries(*call, tiles, dq);
  if (!relative.r) return tensor_core_backward_keys(*call, tiles, nullptr, dk, dv, nullptr);
  const Tensor key_sums = sums({shape.H, shape.N}, DType::f32);
  tensor_core_backward_keys(*call, tiles, relative.u, dk, dv, key_sums.device_data<float>());
  bias_gradient(shape, key_sums.device_data<float>(), call->k, x.relative_gradients.du);
  const Tensor distance_sums = sums({relative.rows, shape.H}, DType::f32);
  tensor_core_backward_distances(*call, tiles, relative.v, x.relative_gradients.dr,
                                 distance_sums.device_data<float>());
  position_bias_gradient(relative.rows, shape.H, shape.K, distance_sums.device_data<float>(), relative.r,
                         x.relative_gradients.dv);
}

template <class T>
void plain_backward(PlainAttention<T> call, const BackwardTensors<T>& x) {
  using A = Accumulator<T>;
  const DeviceAttention& shape = call.shape;
  constexpr DType kSums = DTypeOf<A>::value;
  call.context = x.context, call.dcontext = x.dcontext, call.lse = x.lse;
  const Tensor delta = sums({shape.H, shape.N}, kSums);
  call.delta = delta.device_data<A>();
  Tensor key_sums, distance_sums;
  if (call.r) {
    key_sums = sums({shape.H, shape.N}, kSums), distance_sums = sums({call.rows, shape.H}, kSums);
    call.key_sums = key_sums.device_data<A>(), call.distance_sums = distance_sums.device_data<A>();
  }
  plain_backward_queries(call, x.gradients.q);
  plain_backward_keys(call, x.gradients.k, x.gradients.v);
  if (!call.r) return;
  plain_backward_distances(call, x.relative_gradients.dr);
  bias_gradient(shape, call.key_sums, call.k, x.relative_gradients.du);
  position_bias_gradient(call.rows, shape.H, shape.K, call.distance_sums, call.r, x.relative_gradients.dv);
}

}  // namespace

Tiles::Tiles(const AttentionShape& shape) {
  const int64_t most = std::max<int64_t>(shape.T, 1);
  of_head = tiles_of_head(shape.T, 1);
  for (const int32_t D : shape.call.dilation)
    of_head = std::max(of_head, tiles_of_head(shape.T, std::min<int64_t>(D, most)));
  for (int64_t b = 0; b < shape.B; ++b)
    splits = std::max(splits, splits_of(static_cast<int>(shape.call.length(b))));
}

int64_t tensor_core_shared_bytes(int64_t K, bool relative) {
  return std::max({forward_shared_bytes(K, relative), backward_queries_shared_bytes(K, relative),
                   backward_keys_shared_bytes(K, relative),
                   relative ? backward_distances_shared_bytes(K) : 0});
}

void window_attention(const AttentionCall& call, const TokenTensors& qkv, const RelativeTensors& relative,
                      Tensor& context, Tensor& lse) {
  const AttentionShape shape(call, context.dim(1), context.dim(2));
  const AttentionOnDevice lists(shape);
  visit_float(context.dtype(), [&]<class T>() {
    const auto in = token_views<const T>(qkv, shape.H, shape.K);
    const auto terms = relative_positions<T>(relative);
    const auto out = token_view<T>(context, shape.H * shape.K);
    auto* const sums_of_rows = lse.device_data<Accumulator<T>>();
    if constexpr (std::is_same_v<T, bf16>) {
      if (has_tensor_cores<T>(shape.K, call.scale, terms.r, in.q, in.k, in.v, out))
        return tensor_core_forward(*TensorCoreCall(lists.view(), in, terms), Tiles(shape), out, sums_of_rows);
    }
    plain_forward(plain_call(lists.view(), in, terms), out, sums_of_rows);
  });
}

void window_attention_backward(const AttentionCall& call, const TokenTensors& qkv,
                               const RelativeTensors& relative, const Tensor& context, const Tensor& lse,
                               const Tensor& dcontext, const TokenTensors& dqkv,
                               const RelativeTensors& drelative) {
  const AttentionShape shape(call, context.dim(1), context.dim(2));
  const AttentionOnDevice lists(shape);
  visit_float(context.dtype(), [&]<class T>() {
    const auto in = token_views<const T>(qkv, shape.H, shape.K);
    const auto terms = relative_positions<T>(relative);
    const auto view = [&](const Tensor& x) { return token_view<const T>(x, shape.H * shape.K); };
    const BackwardTensors<T> x{view(context), view(dcontext), lse.device_data<Accumulator<T>>(),
                               token_views<T>(dqkv, shape.H, shape.K), relative_gradients<T>(drelative)};
    if constexpr (std::is_same_v<T, bf16>) {
      const auto& [dq, dk, dv] = x.gradients;
      if (has_tensor_cores<T>(shape.K, call.scale, terms.r, in.q, in.k, in.v, x.context, x.dcontext, dq, dk,
                              dv))
        return tensor_core_backward(TensorCoreCall(lists.view(), in, terms), Tiles(shape), terms, x);
    }
    plain_backward(plain_call(lists.view(), in, terms), x);
  });
}

}  // namespace lf::kernels::cuda
