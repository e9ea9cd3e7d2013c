// The tensors of an attention call as kernels address them.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/kernels/attention_call.h"

namespace lf {

// An (N, H, K) tensor, possibly a part of a wider one such as a fused (N, 3, H, K) projection: element
// (n, h, k) is data[n * token_stride + h * K + k]. Strides count elements.
template <class Element>
struct TokenView {
  Element* data = nullptr;
  int64_t token_stride = 0;

  LF_HOST_DEVICE Element* row(int64_t n, int64_t head_offset) const {
    return data + n * token_stride + head_offset;
  }
};

template <class Element>
struct TokenViews {
  TokenView<Element> q, k, v;
};

template <class Element>
struct RelativePositions {
  const Accumulator<Element>* u = nullptr;  // (H, K) content bias
  const Accumulator<Element>* v = nullptr;  // (H, K) position bias
  const Element* r = nullptr;               // (rows, H, K) contiguous
  int64_t rows = 0;
  int64_t zero_row = 0;
};

// Where backward writes the gradients of RelativePositions: du, dv (H, K), dr (rows, H, K); all are
// overwritten.
template <class Element>
struct RelativeGradients {
  Accumulator<Element>* du = nullptr;
  Accumulator<Element>* dv = nullptr;
  Element* dr = nullptr;
};

// The elements, on whichever device they are.
template <class T>
T* elements_of(const Tensor& x) {
  return x.device() == Device::cpu ? x.data<T>() : x.device_data<T>();
}

// The view of a contiguous tensor of N tokens, whatever the shape of a token.
template <class T>
TokenView<T> token_view(const Tensor& x, int64_t token_elements) {
  return {elements_of<std::remove_const_t<T>>(x), token_elements};
}

template <class T>
TokenViews<T> token_views(const kernels::TokenTensors& x, int64_t H, int64_t K) {
  const int64_t width = H * K;
  if (!x.packed.defined())
    return {token_view<T>(x.q, width), token_view<T>(x.k, width), token_view<T>(x.v, width)};
  T* const data = elements_of<std::remove_const_t<T>>(x.packed);
  return {{data, 3 * width}, {data + width, 3 * width}, {data + 2 * width, 3 * width}};
}

template <class T>
RelativePositions<T> relative_positions(const kernels::RelativeTensors& x) {
  if (!x.r.defined()) return {};
  using A = Accumulator<T>;
  return {elements_of<A>(x.u), elements_of<A>(x.v), elements_of<T>(x.r), x.r.dim(0), x.zero_row};
}

template <class T>
RelativeGradients<T> relative_gradients(const kernels::RelativeTensors& x) {
  if (!x.r.defined()) return {};
  using A = Accumulator<T>;
  return {elements_of<A>(x.u), elements_of<A>(x.v), elements_of<T>(x.r)};
}

// The sizes of a call, which its tensors complete.
struct AttentionShape {
  AttentionShape(const kernels::AttentionCall& call_, int64_t H_, int64_t K_)
      : call(call_), B(call_.sequences()), N(call_.tokens()), T(call_.longest()), H(H_), K(K_) {}

  const kernels::AttentionCall& call;
  int64_t B, N, T;  // T: of the longest sequence
  int64_t H, K;
};

}  // namespace lf
