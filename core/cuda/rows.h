// Where a thread stands, in blocks of one dimension: its item of all, its lane and warp, and its warp's row
// of all where every warp has a row.
#pragma once

#include <cstdint>

#include "core/cuda/device_code.h"

namespace lf::cuda {

__device__ inline int lane_of_warp() { return static_cast<int>(threadIdx.x % kWarp); }
__device__ inline int warp_of_block() { return static_cast<int>(threadIdx.x / kWarp); }

__device__ inline int64_t item_of_thread() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }

// Blocks of `Threads`, started as blocks_for_rows says.
template <int Threads>
__device__ int64_t row_of_warp() {
  return int64_t{blockIdx.x} * (Threads / kWarp) + warp_of_block();
}
template <int Threads>
int64_t blocks_for_rows(int64_t rows) {
  constexpr int kWarps = Threads / kWarp;
  return (rows + kWarps - 1) / kWarps;
}

}  // namespace lf::cuda
