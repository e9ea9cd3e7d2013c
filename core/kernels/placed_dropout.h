// Dropout of a tensor that may be part of a larger whole, whose bits it draws.
#pragma once

#include <cstdint>

#include "core/check.h"
#include "core/random.h"
#include "core/tensor.h"

namespace lf {

struct PlacedDropout : Dropout {
  // x: what is dropped, or a tensor of its shape.
  PlacedDropout(const Dropout& drop, const Tensor& x) : Dropout(drop) {
    if (drop.first_row == 0) return;
    const int64_t before = drop.first_row * x.dim(-1);
    CHECK(before % 8 == 0, "dropout: ", drop.first_row, " rows of ", x.dim(-1),
          " elements stand before the tensor's; they must be a multiple of 8");
    first_block = static_cast<uint64_t>(before / 8);
  }
  uint64_t first_block = 0;  // eight elements share a block of bits
};

}  // namespace lf
