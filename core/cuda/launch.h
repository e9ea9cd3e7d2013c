// Starts kernels on the one stream. Shared memory is always dynamic, so that its size is seen here and the
// host executor can fill it with NaN.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/cuda/runtime.h"

namespace lf::cuda {

// Blocks in each direction; all kernels use one-dimensional blocks.
struct Grid {
  int64_t x = 1, y = 1, z = 1;
};

// Runs kernel(arguments...) with `threads` threads in each block. Errors of the launch itself are thrown;
// those of the kernel at the next synchronisation.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Grid& grid, int threads, int64_t shared_bytes,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  CHECK(grid.x <= INT32_MAX && grid.y <= 65535 && grid.z <= 65535, "kernel launch: a grid of ", grid.x, " x ",
        grid.y, " x ", grid.z, " blocks is too large");
  CHECK(shared_bytes <= device().shared_bytes_per_block, "kernel launch: ", shared_bytes,
        " bytes of shared memory; ", device().name, " has ", device().shared_bytes_per_block);
  if (!device().has_code) compile(reinterpret_cast<const void*>(kernel));
  constexpr int64_t kWithoutAsking = 48 * 1024;
  if (shared_bytes > kWithoutAsking) {
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
          "asking for shared memory");
  }
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y),
                    static_cast<unsigned>(grid.z));
#ifdef __CUDACC__
  kernel<<<blocks, static_cast<unsigned>(threads), static_cast<size_t>(shared_bytes), stream()>>>(
      static_cast<Parameters>(arguments)...);
#else
  simt::run(blocks, dim3(static_cast<unsigned>(threads)), static_cast<size_t>(shared_bytes),
            [&] { kernel(static_cast<Parameters>(arguments)...); });
#endif
  check(cudaGetLastError(), "starting a kernel");
}

// Threads per block and blocks for a loop over `count` items that strides by the whole grid: enough to fill
// the device, no more.
inline constexpr int kLoopThreads = 256;
inline Grid loop_grid(int64_t count) {
  constexpr int64_t kBlocksPerMultiprocessor = 8;
  const int64_t wanted = (count + kLoopThreads - 1) / kLoopThreads;
  return {std::min(wanted, kBlocksPerMultiprocessor * device().multiprocessors)};
}

}  // namespace lf::cuda
