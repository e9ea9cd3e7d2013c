#include "core/kernels/product_tiles.h"

#include <algorithm>

namespace lf::kernels {
namespace {

// Measured with oneDNN 2.6 on cores with AVX-512, and not sensitive: what each tile repeats or adds, in
// shares of its arithmetic, is the packing of B over its rows, that of A over its columns, and over its depth
// the writing of a partial sum.
constexpr std::array<double, 3> kCosts = {16, 28, 100};
// Borders lie on whole vectors and cache lines.
constexpr std::array<int64_t, 3> kAlignments = {16, 16, 64};
// More tiles are not worth their cost; less work than this is not worth another thread.
constexpr int64_t kMostTiles = 32;
constexpr double kLeastWork = 1e6;

// The first cuts may cost more: they bring more.
double bearable_cost(int64_t tiles) { return tiles < 4 ? 0.15 : 0.06; }

// oneDNN's rule for cores without AVX-512. In place, a training's tiles took 1.5 times as long on a Zen 3.
bool is_read_in_place(int64_t rows, int64_t columns) {
  return 1.0 / static_cast<double>(rows) + 1.0 / static_cast<double>(columns) >= 0.0038;
}
constexpr double kInPlaceCost = 0.5;

int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

ProductTiles::ProductTiles(const Product& product, SmallTiles small)
    : extents_{product.M, product.N, product.K}, sizes_(extents_), counts_{1, 1, 1} {
  const double work =
      static_cast<double>(product.M) * static_cast<double>(product.N) * static_cast<double>(product.K);
  double cost = 0;
  while (count() < kMostTiles && work / static_cast<double>(count()) >= 2 * kLeastWork) {
    // Halves the side where it costs least.
    size_t best = 0;
    std::array<double, 3> added;
    for (size_t i = 0; i < 3; ++i) {
      added[i] = kCosts[i] / static_cast<double>(sizes_[i]);
      const int64_t rows = sizes_[0] / (i == 0 ? 2 : 1), columns = sizes_[1] / (i == 1 ? 2 : 1);
      if (small == SmallTiles::in_place && is_read_in_place(rows, columns) &&
          !is_read_in_place(sizes_[0], sizes_[1]))
        added[i] += kInPlaceCost;
      if (added[i] < added[best]) best = i;
    }
    if (cost + added[best] > bearable_cost(count())) break;
    cost += added[best];
    const int64_t half = divided_up(extents_[best], 2 * counts_[best]);
    sizes_[best] = divided_up(half, kAlignments[best]) * kAlignments[best];
    counts_[best] = divided_up(extents_[best], sizes_[best]);
  }
}

ProductTile ProductTiles::operator[](int64_t index) const {
  const auto side = [&](size_t i, int64_t at) {
    const int64_t begin = at * sizes_[i];
    return std::array{begin, std::min(sizes_[i], extents_[i] - begin)};
  };
  const int64_t piece = index / (counts_[0] * counts_[1]);
  const auto [row, rows] = side(0, index / counts_[1] % counts_[0]);
  const auto [column, columns] = side(1, index % counts_[1]);
  const auto [begin, depth] = side(2, piece);
  return {row, rows, column, columns, begin, depth, piece};
}

}  // namespace lf::kernels
