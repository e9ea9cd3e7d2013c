// Rows of a whole batch, and those of a rank's slices of it.
#pragma once

#include <cstdint>
#include <vector>

#include "autograd/sequence_slices.h"
#include "core/tensor.h"

namespace lf {

// Rows of the whole batch that are in a rank's slices.
inline std::vector<int64_t> rows_of_rank(const SequenceSlices& slices, int rank) {
  std::vector<int64_t> rows;
  int64_t first = 0;
  for (int64_t b = 0; b < slices.sequences(); ++b) {
    for (int64_t t = slices.begin(b, rank); t < slices.begin(b, rank + 1); ++t) rows.push_back(first + t);
    first += slices.length(b);
  }
  return rows;
}

// Those rows of x.
inline Tensor chosen(const Tensor& x, const std::vector<int64_t>& rows) {
  std::vector<int64_t> dims = x.shape().dims();
  dims.front() = std::ssize(rows);
  Tensor y = Tensor::empty(Shape(dims), x.dtype());
  for (int64_t n = 0; n < std::ssize(rows); ++n)
    y.slice(n, n + 1).copy_from(x.slice(rows[static_cast<size_t>(n)], rows[static_cast<size_t>(n)] + 1));
  return y;
}

// Puts them to their places.
inline void put(const Tensor& from, const std::vector<int64_t>& rows, const Tensor& to) {
  for (int64_t n = 0; n < std::ssize(rows); ++n)
    to.slice(rows[static_cast<size_t>(n)], rows[static_cast<size_t>(n)] + 1).copy_from(from.slice(n, n + 1));
}

}  // namespace lf
