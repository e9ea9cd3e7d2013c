#include "core/cuda/rows.h"
#include "core/kernels/attention/cuda/bias.h"

#include "core/cuda/device_code.h"
#include "core/cuda/launch.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::item_of_thread;
using lf::cuda::launch;

constexpr int kThreads = 128;
constexpr int kLanes = 8;  // of a row, 16 bytes each at a time

__global__ void bias_products_kernel(int64_t N, int H, int K, TokenView<const bf16> rows, const float* bias,
                                     float* products) {
  const int64_t n = item_of_thread() / kLanes;
  const int lane = static_cast<int>(threadIdx.x % kLanes);
  const int64_t token = n / H;
  const int h = static_cast<int>(n % H);
  float sum = 0;
  if (token < N) {
    const bf16* const row = rows.row(token, int64_t{h} * K);
    for (int i = 2 * lane; i < K; i += 2 * kLanes) {
      const uint32_t pair = *reinterpret_cast<const uint32_t*>(row + i);
      sum += lf::cuda::low_float(pair) * bias[h * K + i] + lf::cuda::high_float(pair) * bias[h * K + i + 1];
    }
  }
  for (int step = kLanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(lf::cuda::kAllLanes, sum, step);
  if (token < N && lane == 0) products[h * N + token] = sum;
}

constexpr int64_t kTokensPerPartial = 256, kRowsPerPartial = 64;

// partials[chunk][h][i] = sum over the chunk's tokens of key_sums k.
template <class T>
__global__ void bias_partial_kernel(DeviceAttention shape, const Accumulator<T>* key_sums,
                                    TokenView<const T> k, Accumulator<T>* partials) {
  using A = Accumulator<T>;
  const int width = shape.H * shape.K;
  const int64_t begin = int64_t{blockIdx.x} * kTokensPerPartial;
  const int64_t end = begin + kTokensPerPartial < shape.N ? begin + kTokensPerPartial : shape.N;
  const int column = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  if (column >= width) return;
  const int64_t h = column / shape.K;
  A sum = 0;
  for (int64_t n = begin; n < end; ++n)
    sum += key_sums[h * shape.N + n] * static_cast<A>(k.row(n, column)[0]);
  partials[int64_t{blockIdx.x} * width + column] = sum;
}

template <class A>
__global__ void add_partials_kernel(const A* partials, int64_t count, int width, A* total) {
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= width) return;
  A sum = 0;
  for (int64_t n = 0; n < count; ++n) sum += partials[n * width + column];
  total[column] = sum;
}

// partials[chunk][h][i] = sum over the chunk's rows of distance_sums r.
template <class T>
__global__ void position_partial_kernel(int64_t rows, int H, int K, const Accumulator<T>* distance_sums,
                                        const T* r, Accumulator<T>* partials) {
  using A = Accumulator<T>;
  const int column = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x), width = H * K;
  if (column >= width) return;
  const int64_t begin = int64_t{blockIdx.x} * kRowsPerPartial;
  const int64_t end = begin + kRowsPerPartial < rows ? begin + kRowsPerPartial : rows;
  A sum = 0;
  for (int64_t row = begin; row < end; ++row)
    sum += distance_sums[row * H + column / K] * static_cast<A>(r[row * width + column]);
  partials[int64_t{blockIdx.x} * width + column] = sum;
}

int64_t blocks_over(int64_t columns) { return (columns + kThreads - 1) / kThreads; }

}  // namespace

void bias_products(int64_t N, int64_t H, int64_t K, TokenView<const bf16> rows, const float* bias,
                   float* products) {
  launch(bias_products_kernel, {blocks_over(N * H * kLanes)}, kThreads, 0, N, H, K, rows, bias, products);
}

template <class T>
void bias_gradient(const DeviceAttention& shape, const Accumulator<T>* key_sums, TokenView<const T> k,
                   Accumulator<T>* du) {
  using A = Accumulator<T>;
  const int width = shape.H * shape.K;
  const int64_t chunks = (int64_t{shape.N} + kTokensPerPartial - 1) / kTokensPerPartial;
  const Tensor partials = Tensor::empty({chunks, width}, DTypeOf<A>::value, Device::cuda);
  launch(bias_partial_kernel<T>, {chunks, blocks_over(width)}, kThreads, 0, shape, key_sums, k,
         partials.device_data<A>());
  launch(add_partials_kernel<A>, {blocks_over(width)}, kThreads, 0, partials.device_data<A>(), chunks, width,
         du);
}

template <class T>
void position_bias_gradient(int64_t rows, int64_t H, int64_t K, const Accumulator<T>* distance_sums,
                            const T* r, Accumulator<T>* dv) {
  using A = Accumulator<T>;
  const int64_t chunks = (rows + kRowsPerPartial - 1) / kRowsPerPartial, width = H * K;
  const Tensor partials = Tensor::empty({chunks, width}, DTypeOf<A>::value, Device::cuda);
  launch(position_partial_kernel<T>, {chunks, blocks_over(width)}, kThreads, 0, rows, H, K, distance_sums, r,
         partials.device_data<A>());
  launch(add_partials_kernel<A>, {blocks_over(width)}, kThreads, 0, partials.device_data<A>(), chunks, width,
         dv);
}

#define LF_BIAS_GRADIENTS(T)                                                                       \
  template void bias_gradient(const DeviceAttention&, const Accumulator<T>*, TokenView<const T>,   \
                              Accumulator<T>*);                                                    \
  template void position_bias_gradient(int64_t, int64_t, int64_t, const Accumulator<T>*, const T*, \
                                       Accumulator<T>*)
LF_BIAS_GRADIENTS(float);
LF_BIAS_GRADIENTS(double);
LF_BIAS_GRADIENTS(bf16);

}  // namespace lf::kernels::cuda
