// One number from all threads of a block.
#pragma once

#include "core/cuda/device_code.h"

namespace lf::cuda {

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Largest {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// The numbers of all Threads threads of the block joined in a fixed order; the same in every thread. Uses the
// first Threads / 32 numbers of shared memory, which may be used again at once. A barrier to all threads.
template <int Threads, class T, class Join>
__device__ T join_block(T mine, Join join) {
  constexpr int kWarps = Threads / kWarp;
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    mine = join(mine, __shfl_xor_sync(kAllLanes, mine, distance));
  auto* of_warps = reinterpret_cast<T*>(shared_memory());
  if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = mine;
  __syncthreads();
  T all = of_warps[0];
  for (int warp = 1; warp < kWarps; ++warp) all = join(all, of_warps[warp]);
  __syncthreads();
  return all;
}

}  // namespace lf::cuda
