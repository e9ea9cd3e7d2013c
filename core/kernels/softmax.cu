// The CUDA half of softmax.cpp. A row is read twice at most and nothing but results is written: its largest
// element and the sum of exponentials are found in one pass, with the sum rescaled when a larger one appears
// (Milakov & Gimelshein 2018).
#include <limits>

#include "core/cuda/launch.h"
#include "core/cuda/rows.h"
#include "core/cuda/vectors.h"
#include "core/kernels/kernels.h"

namespace lf::kernels::cuda {
namespace {

using lf::cuda::blocks_for_rows;
using lf::cuda::for_row;
using lf::cuda::kWarp;
using lf::cuda::launch;
using lf::cuda::map_row;
using lf::cuda::row_of_warp;

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int64_t kLongestForWarp = 1024;  // columns; longer rows get a whole block

constexpr float kLog2E = 1.44269504088896341f;

__device__ float exponential(float x) { return lf::cuda::exp2_fast(x * kLog2E); }
__device__ double exponential(double x) { return exp(x); }

template <class A>
__device__ A minus_infinity() {
  return -std::numeric_limits<A>::infinity();
}

// The largest of some numbers, and the sum of exp(x - largest); a NaN makes the sum NaN, -inf adds nothing.
template <class A>
struct Exponentials {
  A largest, sum;

  __device__ void add(A x) {
    if (x > largest) {
      sum = sum * exponential(largest - x) + A{1};
      largest = x;
    } else if (x != minus_infinity<A>()) {
      sum += exponential(x - largest);
    }
  }
  __device__ A sum_relative_to(A maximum) const {
    return largest == minus_infinity<A>() ? sum : sum * exponential(largest - maximum);
  }
};

// Who works on a row: a warp, eight of which share a block, or a block.
template <bool Block>
struct Team {
  static constexpr int kMembers = Block ? kThreads : kWarp;

  __device__ static int64_t row() { return Block ? blockIdx.x : row_of_warp<kThreads>(); }
  __device__ static int member() { return static_cast<int>(Block ? threadIdx.x : threadIdx.x % kWarp); }

  // All members' numbers as one; the same bits in every member.
  template <class A>
  __device__ static Exponentials<A> join(Exponentials<A> mine) {
    const A maximum = lf::cuda::warp_max(mine.largest);
    Exponentials<A> all{maximum, lf::cuda::warp_sum(mine.sum_relative_to(maximum))};
    if constexpr (Block) {
      auto* of_warps = reinterpret_cast<Exponentials<A>*>(lf::cuda::shared_memory());
      if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = all;
      __syncthreads();
      for (int warp = 0; warp < kWarps; ++warp)
        all.largest = of_warps[warp].largest > all.largest ? of_warps[warp].largest : all.largest;
      all.sum = 0;
      for (int warp = 0; warp < kWarps; ++warp) all.sum += of_warps[warp].sum_relative_to(all.largest);
    }
    return all;
  }
  template <class A>
  __device__ static A join_sum(A mine) {
    mine = lf::cuda::warp_sum(mine);
    if constexpr (Block) {
      auto* of_warps = reinterpret_cast<A*>(lf::cuda::shared_memory());
      if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = mine;
      __syncthreads();
      mine = 0;
      for (int warp = 0; warp < kWarps; ++warp) mine += of_warps[warp];
    }
    return mine;
  }
  template <class T>
  __device__ static Exponentials<Accumulator<T>> exponentials_of(const T* row, int64_t C) {
    using A = Accumulator<T>;
    Exponentials<A> mine{minus_infinity<A>(), A{0}};
    for_row(row, C, member(), kMembers, [&](int64_t, A value) { mine.add(value); });
    return join(mine);
  }
};

template <class T, bool Block>
__global__ void softmax_kernel(const T* x, T* y, int64_t rows, int64_t C) {
  using A = Accumulator<T>;
  using Members = Team<Block>;
  const int64_t row = Members::row();
  if (row >= rows) return;
  const auto [largest, sum] = Members::exponentials_of(x + row * C, C);
  const A factor = A{1} / sum, shift = largest;
  const bool hides_all = shift == minus_infinity<A>() && sum == 0;
  map_row(x + row * C, C, Members::member(), Members::kMembers, y + row * C,
          [&](int64_t, A value) { return hides_all ? A{0} : exponential(value - shift) * factor; });
}

template <class T, bool Block>
__global__ void softmax_backward_kernel(const T* y, const T* dy, T* dx, int64_t rows, int64_t C) {
  using A = Accumulator<T>;
  using Members = Team<Block>;
  const int64_t row = Members::row();
  if (row >= rows) return;
  const T* up = dy + row * C;
  A dot = 0;
  for_row(y + row * C, C, Members::member(), Members::kMembers,
          [&](int64_t i, A value) { dot += value * static_cast<A>(up[i]); });
  dot = Members::join_sum(dot);
  map_row(y + row * C, C, Members::member(), Members::kMembers, dx + row * C,
          [&](int64_t i, A value) { return value * (static_cast<A>(up[i]) - dot); });
}

template <class T, bool Block>
__global__ void cross_entropy_kernel(const T* logits, const int32_t* targets, double smoothing,
                                     Accumulator<T>* losses, Accumulator<T>* lse, int64_t rows, int64_t V) {
  using A = Accumulator<T>;
  using Members = Team<Block>;
  const int64_t row = Members::row();
  if (row >= rows) return;
  const T* x = logits + row * V;
  const auto [largest, sum] = Members::exponentials_of(x, V);
  const A log_sum = largest + log(sum);
  A all = 0;  // of V losses
  if (smoothing != 0) {
    if constexpr (Block) __syncthreads();  // all have read what the next join overwrites
    for_row(x, V, Members::member(), Members::kMembers, [&](int64_t, A value) { all += log_sum - value; });
    all = Members::join_sum(all);
  }
  if (Members::member() != 0) return;
  const int32_t target = targets[row];
  lse[row] = log_sum;
  if (target == -1) {
    losses[row] = 0;
  } else if (target >= 0 && target < V) {
    const A share = static_cast<A>(smoothing / static_cast<double>(V));
    const A loss = log_sum - static_cast<A>(x[target]);
    losses[row] = smoothing == 0 ? loss : static_cast<A>(1 - smoothing) * loss + share * all;
  } else {  // the device cannot throw; a loss that is not finite stops the run
    losses[row] = std::numeric_limits<A>::quiet_NaN();
  }
}

template <class T, bool Block>
__global__ void cross_entropy_backward_kernel(const T* logits, const int32_t* targets, double smoothing,
                                              const Accumulator<T>* lse, const Accumulator<T>* dlosses,
                                              T* dlogits, int64_t rows, int64_t V) {
  using A = Accumulator<T>;
  using Members = Team<Block>;
  const int64_t row = Members::row();
  if (row >= rows) return;
  const int32_t target = targets[row];
  const A shift = lse[row], up = target < 0 ? A{0} : dlosses[row];
  const A own = static_cast<A>(1 - smoothing), share = static_cast<A>(smoothing / static_cast<double>(V));
  map_row(logits + row * V, V, Members::member(), Members::kMembers, dlogits + row * V,
          [&](int64_t i, A value) {
            return up * (exponential(value - shift) - (i == target ? own : A{0}) - share);
          });
}

// Calls f.operator()<T, Block>(blocks) for the team that suits rows of C columns.
template <class F>
void visit_teams(DType dtype, int64_t rows, int64_t C, F&& f) {
  visit_float(dtype, [&]<class T>() {
    if (C <= kLongestForWarp) {
      f.template operator()<T, false>(blocks_for_rows<kThreads>(rows));
    } else {
      f.template operator()<T, true>(rows);
    }
  });
}

constexpr int64_t kShared = kWarps * static_cast<int64_t>(sizeof(Exponentials<double>));

}  // namespace

void softmax(const Tensor& x, Tensor& y) {
  const int64_t rows = x.dim(0), C = x.dim(1);
  visit_teams(x.dtype(), rows, C, [&]<class T, bool Block>(int64_t blocks) {
    launch(softmax_kernel<T, Block>, {blocks}, kThreads, kShared, x.device_data<T>(), y.device_data<T>(),
           rows, C);
  });
}

void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) {
  const int64_t rows = y.dim(0), C = y.dim(1);
  visit_teams(y.dtype(), rows, C, [&]<class T, bool Block>(int64_t blocks) {
    launch(softmax_backward_kernel<T, Block>, {blocks}, kThreads, kShared, y.device_data<T>(),
           dy.device_data<T>(), dx.device_data<T>(), rows, C);
  });
}

void cross_entropy(const Tensor& logits, const Tensor& targets, double smoothing, Tensor& losses,
                   Tensor& lse) {
  const int64_t rows = logits.dim(0), V = logits.dim(1);
  visit_teams(logits.dtype(), rows, V, [&]<class T, bool Block>(int64_t blocks) {
    using A = Accumulator<T>;
    launch(cross_entropy_kernel<T, Block>, {blocks}, kThreads, kShared, logits.device_data<T>(),
           targets.device_data<int32_t>(), smoothing, losses.device_data<A>(), lse.device_data<A>(), rows, V);
  });
}

void cross_entropy_backward(const Tensor& logits, const Tensor& targets, double smoothing, const Tensor& lse,
                            const Tensor& dlosses, Tensor& dlogits) {
  const int64_t rows = logits.dim(0), V = logits.dim(1);
  visit_teams(logits.dtype(), rows, V, [&]<class T, bool Block>(int64_t blocks) {
    using A = Accumulator<T>;
    launch(cross_entropy_backward_kernel<T, Block>, {blocks}, kThreads, kShared, logits.device_data<T>(),
           targets.device_data<int32_t>(), smoothing, lse.device_data<A>(), dlosses.device_data<A>(),
           dlogits.device_data<T>(), rows, V);
  });
}

}  // namespace lf::kernels::cuda
