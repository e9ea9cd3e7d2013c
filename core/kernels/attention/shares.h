// How tensor-core attention cuts its work into tiles and shares, as far as estimates of memory must know it
// too. For host code as well.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lf::kernels::cuda {

inline constexpr int kTile = 64;  // rows of the operand that a block keeps

// The head widths that have such kernels.
inline bool has_tensor_core_width(int64_t K) { return K == 32 || K == 64 || K == 96 || K == 128; }

// Tiles of all residue classes of a head; the last ones may be empty.
inline int64_t tiles_of_head(int64_t T, int64_t dilation) {
  const int64_t longest = (T + dilation - 1) / dilation;
  return dilation * ((longest + kTile - 1) / kTile);
}

// The gradients of relative positions: every split sums over its share of the B x tiles of queries.
struct DistanceShares {
  int64_t slots = 0;  // of distances: window() of them in whole tiles
  int64_t splits = 0;

  // Of the splits' sums: K numbers and the score's own, f32.
  int64_t bytes(int64_t H, int64_t K) const { return 4 * splits * H * slots * (K + 1); }
};

// window: left + right + 1; tiles: of the head that has most.
inline DistanceShares distance_shares(int64_t B, int64_t tiles, int64_t window) {
  constexpr int64_t kTilesOfShare = 16, kMostSplits = 32;
  const int64_t shares = (B * tiles + kTilesOfShare - 1) / kTilesOfShare;
  return {(window + kTile - 1) / kTile * kTile, std::min(shares, kMostSplits)};
}

}  // namespace lf::kernels::cuda
