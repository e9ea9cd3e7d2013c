// Dense attention on the device, and the rows of global tokens.
#include <algorithm>
#include <type_traits>

#include "core/cuda/launch.h"
#include "core/kernels/attention/cuda/plain.h"
#include "core/kernels/attention/cuda/tensor_cores.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

template <class T>
PlainAttention<T> plain_call(const DeviceAttention& shape, int64_t queries, const TokenViews<const T>& in) {
  PlainAttention<T> call;
  call.shape = shape;
  call.dense = true;
  call.queries = queries;
  call.q = in.q, call.k = in.k, call.v = in.v;
  return call;
}

// A block for each listed token: calls f(from element of the list's row, element of x) for a row's elements.
enum class Rows { take, put, clear };

template <class T, Rows What>
__global__ void rows_kernel(DeviceAttention shape, TokenView<T> rows, TokenView<T> x) {
  const int n = static_cast<int>(blockIdx.x);
  int b = 0;
  while (shape.global_offsets[b + 1] <= n) ++b;
  T* const in_x = x.row(shape.row(b, shape.global_positions[n]), 0);
  T* const listed = rows.row(n, 0);
  for (int i = static_cast<int>(threadIdx.x); i < shape.H * shape.K; i += static_cast<int>(blockDim.x)) {
    if (What == Rows::take) listed[i] = in_x[i];
    if (What == Rows::put) in_x[i] = listed[i];
    if (What == Rows::clear) in_x[i] = T(0.0f);
  }
}

template <Rows What>
void move_rows(const AttentionCall& call, const Tensor& rows, const Tensor& x) {
  const AttentionShape shape(call, x.dim(1), x.dim(2));
  const AttentionOnDevice lists(shape);
  visit_float(x.dtype(), [&]<class T>() {
    const int64_t width = shape.H * shape.K;
    const TokenView<T> listed = rows.defined() ? token_view<T>(rows, width) : TokenView<T>();
    lf::cuda::launch(rows_kernel<T, What>, {call.global_tokens()}, 256, 0, lists.view(), listed,
                     token_view<T>(x, width));
  });
}

}  // namespace

DenseGrid::DenseGrid(const DenseShape& shape) {
  for (int64_t b = 0; b < shape.B; ++b) {
    const auto queries = static_cast<int>(shape.queries(b));
    const int own = dense_splits(static_cast<int>(shape.keys(b)), queries);
    splits = std::max(splits, own);
    blocks = std::max(blocks, int64_t{own} * ((queries + kTile - 1) / kTile));
  }
}

void dense_attention(const DenseCall& call, const Tensor& q, const Tensor& k, const Tensor& v,
                     Tensor& context, Tensor& lse) {
  const DenseShape shape(call, context.dim(1), context.dim(2));
  const AttentionOnDevice lists(shape);
  visit_float(context.dtype(), [&]<class T>() {
    const auto view = [&](const Tensor& x) { return token_view<const T>(x, shape.H * shape.K); };
    const TokenViews<const T> in{view(q), view(k), view(v)};
    const auto out = token_view<T>(context, shape.H * shape.K);
    auto* const sums = lse.device_data<Accumulator<T>>();
    if constexpr (std::is_same_v<T, bf16>) {
      if (has_tensor_cores<T>(shape.K, call.scale, nullptr, in.q, in.k, in.v, out)) {
        const TileCall tiles = tile_call(lists.view(), in.q, in.k, in.v);
        return tensor_core_dense_forward(tiles, DenseGrid(shape), shape.M, out, sums);
      }
    }
    plain_forward(plain_call(lists.view(), shape.M, in), out, sums);
  });
}

void dense_attention_backward(const DenseCall& call, const Tensor& q, const Tensor& k, const Tensor& v,
                              const Tensor& context, const Tensor& lse, const Tensor& dcontext, Tensor& dq,
                              Tensor& dk, Tensor& dv) {
  const DenseShape shape(call, context.dim(1), context.dim(2));
  const AttentionOnDevice lists(shape);
  const int64_t width = shape.H * shape.K;
  const Tensor delta = Tensor::like(lse);
  visit_float(context.dtype(), [&]<class T>() {
    using A = Accumulator<T>;
    const auto view = [&](const Tensor& x) { return token_view<const T>(x, width); };
    const TokenViews<const T> in{view(q), view(k), view(v)};
    const TokenView<const T> out = view(context), dout = view(dcontext);
    const TokenViews<T> gradients{token_view<T>(dq, width), token_view<T>(dk, width),
                                  token_view<T>(dv, width)};
    if constexpr (std::is_same_v<T, bf16>) {
      if (has_tensor_cores<T>(shape.K, call.scale, nullptr, in.q, in.k, in.v, out, dout, gradients.k,
                              gradients.v)) {
        TileCall tiles = tile_call(lists.view(), in.q, in.k, in.v);
        tiles.context = out, tiles.dcontext = dout, tiles.lse = lse.device_data<A>();
        tiles.delta = delta.device_data<A>();
        tensor_core_dense_backward_queries(tiles, DenseGrid(shape), shape.M, dq.device_data<T>());
        return tensor_core_dense_backward_keys(tiles, gradients.k, gradients.v);
      }
    }
    PlainAttention<T> plain = plain_call(lists.view(), shape.M, in);
    plain.context = out, plain.dcontext = dout, plain.lse = lse.device_data<A>();
    plain.delta = delta.device_data<A>();
    plain_backward_queries(plain, gradients.q);
    plain_backward_keys(plain, gradients.k, gradients.v);
  });
}

void take_global_rows(const AttentionCall& call, const Tensor& x, Tensor& rows) {
  move_rows<Rows::take>(call, rows, x);
}
void put_global_rows(const AttentionCall& call, const Tensor& rows, Tensor& x) {
  move_rows<Rows::put>(call, rows, x);
}
void clear_global_rows(const AttentionCall& call, Tensor& x) { move_rows<Rows::clear>(call, {}, x); }

}  // namespace lf::kernels::cuda
