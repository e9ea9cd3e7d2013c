// What relative positions add beside the scores of pairs: u . k for every key and v . r for every distance,
// once for all queries, and the gradients of u and v from the sums of dS of a key or a distance.
#pragma once

#include "core/kernels/attention/cuda/device.h"

namespace lf::kernels::cuda {

// products[h * N + n] = bias[h] . rows[n][h] for rows (N, H, K).
void bias_products(int64_t N, int64_t H, int64_t K, TokenView<const bf16> rows, const float* bias,
                   float* products);

// du (H, K) = sum over tokens of key_sums[h][n] k[n][h], in an order that depends on N alone.
template <class T>
void bias_gradient(const DeviceAttention& shape, const Accumulator<T>* key_sums, TokenView<const T> k,
                   Accumulator<T>* du);
// dv (H, K) = sum over rows of distance_sums[row][h] r[row][h].
template <class T>
void position_bias_gradient(int64_t rows, int64_t H, int64_t K, const Accumulator<T>* distance_sums,
                            const T* r, Accumulator<T>* dv);

}  // namespace lf::kernels::cuda
