// How a matrix product is cut into tiles. The tiles depend on the shape alone and each is computed by one
// thread, so the bits of a product do not depend on the number of threads: oneDNN's own cut does.
#pragma once

#include <array>
#include <cstdint>

namespace lf::kernels {

// One product C (M,N) = A (M,K) B (K,N), row-major; `transpose` means that the matrix is stored the other way
// round.
struct Product {
  int64_t M, N, K;
  bool transpose_a, transpose_b;

  int64_t stride_a() const { return transpose_a ? M : K; }
  int64_t stride_b() const { return transpose_b ? K : N; }
};

// Rows and columns of C, and the piece of K that is summed.
struct ProductTile {
  int64_t row, rows, column, columns, begin, depth;
  int64_t piece;  // which piece of K

  // Where the tile begins in A and B.
  int64_t offset_a(const Product& p) const { return p.transpose_a ? begin * p.M + row : row * p.K + begin; }
  int64_t offset_b(const Product& p) const {
    return p.transpose_b ? column * p.K + begin : begin * p.N + column;
  }
};

// How the product of a tile treats its operands: always packed at first or, where the tile is small, read in
// place.
enum class SmallTiles { packed, in_place };

class ProductTiles {
 public:
  ProductTiles(const Product& product, SmallTiles small);

  int64_t count() const { return counts_[0] * counts_[1] * counts_[2]; }
  int64_t pieces() const { return counts_[2]; }  // of K
  ProductTile operator[](int64_t index) const;

 private:
  std::array<int64_t, 3> extents_, sizes_, counts_;  // M, N, K: of the product, of a tile, and how many
};

}  // namespace lf::kernels
