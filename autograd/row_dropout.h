// Dropout of tensors whose rows, of their last axis, may be slices of a larger whole, whose bits they draw.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace lf {

struct RowDropout : Dropout {
  // So many rows, the next ones of a tensor, stand in the whole from row `first` on.
  struct Run {
    int64_t rows = 0, first = 0;
  };

  RowDropout() = default;
  RowDropout(const Dropout& drop) : Dropout(drop) {}  // of a tensor that is whole
  RowDropout(const Dropout& drop, std::vector<Run> runs_)
      : Dropout(drop), runs(std::make_shared<const std::vector<Run>>(std::move(runs_))) {}

  bool is_whole() const { return !active() || !runs; }

  // Calls f(drop, piece) for the pieces of a tensor whose dropout is one call of a kernel; piece(x) is that
  // of a tensor x of its shape.
  template <class F>
  void for_each_piece(F&& f) const {
    if (is_whole()) return f(static_cast<const Dropout&>(*this), [](const Tensor& x) { return x; });
    int64_t begin = 0;
    for (const Run& run : *runs) {
      Dropout drop = *this;
      drop.first_row = run.first;
      if (run.rows > 0)
        f(drop, [&](const Tensor& x) {
          const int64_t width = x.dim(-1);
          return x.view({x.elements() / width, width}).slice(begin, begin + run.rows);
        });
      begin += run.rows;
    }
  }

  std::shared_ptr<const std::vector<Run>> runs;  // null: the tensor is the whole
};

}  // namespace lf
