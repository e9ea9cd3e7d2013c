// Attention by plain loops, for any head width and element type: a warp for each query, key or distance, its
// lanes over 32 partners at a time, then over the head's width. The tensor-core kernels take over where they
// can (bf16); these serve checks and the other head widths, window and global attention alike.
#pragma once

#include "core/kernels/attention/cuda/device.h"

namespace lf::kernels::cuda {

template <class T>
struct PlainAttention {
  using A = Accumulator<T>;

  DeviceAttention shape;
  // Dense attention: queries are the listed ones, whose order q, context, their gradients and lse go by.
  bool dense = false;
  int64_t queries = 0;  // N, or the number of listed queries
  TokenView<const T> q, k, v;
  const A* u = nullptr;
  const A* v_bias = nullptr;
  const T* r = nullptr;  // null: no relative positions
  int64_t rows = 0, zero_row = 0;

  TokenView<const T> context, dcontext;
  const A* lse = nullptr;
  A* delta = nullptr;          // like lse: rowsum(dcontext * context), 0 where lse is -inf
  A* key_sums = nullptr;       // (H, N) or null: sums of dS over queries
  A* distance_sums = nullptr;  // (rows, H): sums of dS over pairs of one distance
};

template <class T>
void plain_forward(const PlainAttention<T>& call, TokenView<T> context, Accumulator<T>* lse);
// Writes dq and call.delta.
template <class T>
void plain_backward_queries(const PlainAttention<T>& call, TokenView<T> dq);
// Writes dk, dv and call.key_sums; needs call.delta.
template <class T>
void plain_backward_keys(const PlainAttention<T>& call, TokenView<T> dk, TokenView<T> dv);
// Writes dr and call.distance_sums; needs call.delta.
template <class T>
void plain_backward_distances(const PlainAttention<T>& call, T* dr);

}  // namespace lf::kernels::cuda
