// The CUDA half of gather.cpp: a warp to a row of indices, and copies of the widest words that fit.
#include <limits>

#include "core/cuda/device_code.h"
#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::blocks_for_rows;
using lf::cuda::item_of_thread;
using lf::cuda::kWarp;
using lf::cuda::lane_of_warp;
using lf::cuda::launch;
using lf::cuda::row_of_warp;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int64_t kColumns = 512;  // of the gradient that a warp adds up at a time, in shared memory

template <class T>
__device__ T not_a_number() {
  return static_cast<T>(std::numeric_limits<Accumulator<T>>::quiet_NaN());
}

template <class T>
__global__ void gather_kernel(const T* x, const int32_t* index, T nothing, T* y, int64_t rows, int64_t R,
                              int64_t C, int64_t E) {
  const int64_t row = row_of_warp<kThreads>();
  if (row >= rows) return;
  const int32_t* from = index + row % R * E;
  for (int64_t c = threadIdx.x % kWarp; c < E; c += kWarp) {
    T value = nothing;
    // The device cannot throw: what is outside x shows as NaN.
    if (from[c] >= 0) value = from[c] < C ? x[row * C + from[c]] : not_a_number<T>();
    y[row * E + c] = value;
  }
}

// What a warp of gather_backward_kernel keeps in shared memory.
template <class A>
struct Gathering {
  A sums[kColumns];
  A values[kWarp];
  int32_t columns[kWarp];
};

// Columns [first, first + kColumns) of a row of dx: the warp loads 32 elements of dy at a time, and every
// lane adds those that belong to its own columns, in order.
template <class T>
__global__ void gather_backward_kernel(const int32_t* index, const T* dy, T* dx, int64_t rows, int64_t R,
                                       int64_t C, int64_t E) {
  using A = Accumulator<T>;
  const int64_t row = row_of_warp<kThreads>(), first = int64_t{blockIdx.y} * kColumns;
  if (row >= rows) return;
  const auto lane = lane_of_warp();
  auto& shared = reinterpret_cast<Gathering<A>*>(lf::cuda::shared_memory())[threadIdx.x / kWarp];
  for (int64_t i = lane; i < kColumns; i += kWarp) shared.sums[i] = 0;
  const int32_t* into = index + row % R * E;
  for (int64_t begin = 0; begin < E; begin += kWarp) {
    const int64_t c = begin + lane;
    const int64_t column = c < E && into[c] >= 0 ? into[c] - first : -1;
    __syncwarp();
    shared.columns[lane] = column >= 0 && column < kColumns ? static_cast<int32_t>(column) : -1;
    shared.values[lane] = c < E ? static_cast<A>(dy[row * E + c]) : A{0};
    __syncwarp();
    for (int i = 0; i < kWarp; ++i) {
      const int32_t to = shared.columns[i];
      if (to >= 0 && to % kWarp == lane) shared.sums[to] += shared.values[i];
    }
  }
  for (int64_t i = lane; i < kColumns && first + i < C; i += kWarp) {
    dx[row * C + first + i] = static_cast<T>(shared.sums[i]);
  }
}

// y[a][c][b] = x[a][b][c] in words, `inner` of them together.
template <class Word>
__global__ void swap_kernel(const Word* x, Word* y, int64_t A, int64_t B, int64_t C, int64_t inner) {
  const int64_t count = A * B * C * inner, stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t to = item_of_thread(); to < count; to += stride) {
    const int64_t word = to % inner, acb = to / inner;
    const int64_t b = acb % B, ac = acb / B;
    const int64_t c = ac % C, a = ac / C;
    y[to] = x[((a * B + b) * C + c) * inner + word];
  }
}

constexpr int64_t kTile = 32;

// The same where one word is all that stays together: through tiles of shared memory, so that lanes read and
// write neighbours. The tile's rows are one word longer, or its columns would share a memory bank.
template <class Word>
__global__ void transpose_kernel(const Word* x, Word* y, int64_t B, int64_t C) {
  auto* tile = reinterpret_cast<Word*>(lf::cuda::shared_memory());
  const int64_t lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t tiles_c = (C + kTile - 1) / kTile;
  const int64_t b0 = blockIdx.x / tiles_c * kTile, c0 = blockIdx.x % tiles_c * kTile;
  const int64_t matrix = int64_t{blockIdx.y} * B * C;
  for (int64_t b = warp; b < kTile; b += kWarps) {
    if (b0 + b < B && c0 + lane < C) tile[b * (kTile + 1) + lane] = x[matrix + (b0 + b) * C + c0 + lane];
  }
  __syncthreads();
  for (int64_t c = warp; c < kTile; c += kWarps) {
    if (c0 + c < C && b0 + lane < B) y[matrix + (c0 + c) * B + b0 + lane] = tile[lane * (kTile + 1) + c];
  }
}

template <class Word>
void swap_words(const Tensor& x, int64_t A, int64_t B, int64_t C, int64_t inner_bytes, Tensor& y) {
  const int64_t inner = inner_bytes / static_cast<int64_t>(sizeof(Word));
  const auto* from = reinterpret_cast<const Word*>(x.raw());
  auto* to = reinterpret_cast<Word*>(y.raw());
  constexpr int64_t kMostMatrices = 65535;
  if (inner != 1 || A > kMostMatrices) {
    launch(swap_kernel<Word>, lf::cuda::loop_grid(A * B * C * inner), kThreads, 0, from, to, A, B, C, inner);
    return;
  }
  const int64_t tiles = (B + kTile - 1) / kTile * ((C + kTile - 1) / kTile);
  launch(transpose_kernel<Word>, {tiles, A}, kThreads,
         kTile * (kTile + 1) * static_cast<int64_t>(sizeof(Word)), from, to, B, C);
}

}  // namespace

void gather_columns(const Tensor& x, const Tensor& index, double fill, Tensor& y) {
  const int64_t rows = x.dim(0), R = index.dim(0), C = x.dim(1), E = index.dim(1);
  visit_float(x.dtype(), [&]<class T>() {
    launch(gather_kernel<T>, {blocks_for_rows<kThreads>(rows)}, kThreads, 0, x.device_data<T>(),
           index.device_data<int32_t>(), static_cast<T>(static_cast<Accumulator<T>>(fill)),
           y.device_data<T>(), rows, R, C, E);
  });
}

void gather_columns_backward(const Tensor& index, const Tensor& dy, Tensor& dx) {
  const int64_t rows = dx.dim(0), R = index.dim(0), C = dx.dim(1), E = index.dim(1);
  visit_float(dx.dtype(), [&]<class T>() {
    constexpr auto kShared = static_cast<int64_t>(sizeof(Gathering<Accumulator<T>>)) * kWarps;
    launch(gather_backward_kernel<T>, {blocks_for_rows<kThreads>(rows), (C + kColumns - 1) / kColumns},
           kThreads, kShared, index.device_data<int32_t>(), dy.device_data<T>(), dx.device_data<T>(), rows, R,
           C, E);
  });
}

void swap_axes(const Tensor& x, int64_t A, int64_t B, int64_t C, int64_t inner, Tensor& y) {
  const int64_t bytes = inner * size_of(x.dtype());
  const auto address =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(x.raw()) | reinterpret_cast<uintptr_t>(y.raw()));
  const int64_t common = bytes | address;  // its lowest bit divides all three
  if (common % 16 == 0) return swap_words<uint4>(x, A, B, C, bytes, y);
  if (common % 8 == 0) return swap_words<uint2>(x, A, B, C, bytes, y);
  if (common % 4 == 0) return swap_words<uint32_t>(x, A, B, C, bytes, y);
  if (common % 2 == 0) return swap_words<uint16_t>(x, A, B, C, bytes, y);
  swap_words<uint8_t>(x, A, B, C, bytes, y);
}

}  // namespace lf::kernels::cuda
