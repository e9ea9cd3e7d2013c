// The loop over key tiles that the forward and the gradient of queries share.
#pragma once

#include "core/kernels/attention/cuda/key_walk.h"

namespace lf::kernels::cuda {

// Calls f.operator()<Edge>(tile, seen) for each tile that has keys to see, while the next one is copied. Not
// Edge: all of the tile's keys are seen by all of the warp's queries.
template <int K, int N, bool Relative, class F>
__device__ void for_each_seen_tile(KeyWalk<K, N, Relative>& walk, F&& f) {
  const int tiles = walk.tiles();
  for (int tile = 0; tile < tiles; ++tile) {
    lf::cuda::wait_for_copies<0>();
    __syncthreads();
    if (tile + 1 < tiles) walk.load(tile + 1);
    const uint64_t seen = walk.seen(tile);
    if (seen != 0) {
      if (walk.is_whole(tile, seen)) {
        f.template operator()<false>(tile, seen);
      } else {
        f.template operator()<true>(tile, seen);
      }
    }
    if (tile + 1 < tiles) walk.publish(tile + 1);
  }
}

}  // namespace lf::kernels::cuda
