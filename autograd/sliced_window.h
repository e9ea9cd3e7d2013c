// A rank's part of one window attention over slices: the rows that it needs, and the kernel's calls.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "autograd/slice_sight.h"

namespace lf {

// Rows of the extended tensors that one call of the kernel computes: sequences whose slices and halos are
// equal, as they are in a batch of equal lengths.
struct WindowPart {
  int64_t row = 0, rows = 0;
  kernels::AttentionCall call{};

  Tensor of(const Tensor& extended) const { return extended.slice(row, row + rows); }
};

class SlicedWindow {
 public:
  // The call is that of the rank's slices, but for the global tokens, which are the whole sequences'.
  SlicedWindow(std::shared_ptr<const SequenceSlices> slices, const kernels::AttentionCall& call);

  // From own tensors (N, ...) to extended ones.
  const RowExchange& exchange() const { return exchange_; }
  // Own tokens at their places in an extended tensor, whose other rows are zeros, and back.
  Tensor extended(const Tensor& own) const;
  void take_own(const Tensor& extended, const Tensor& own) const;
  // mask (rows) u8 is the extended one, undefined where there is none.
  std::vector<WindowPart> parts(Tensor mask) const;

 private:
  int64_t rows() const;
  int64_t query_begin(int64_t b) const;  // of the slice of sequence b in its extended rows
  void for_each_slice(auto&& f) const;
  bool are_alike(int64_t a, int64_t b) const;
  WindowPart begin_part(int64_t b, int64_t row) const;
  void add_sequence(WindowPart& part, int64_t b) const;
  void hide_globals(Tensor& mask) const;

  std::shared_ptr<const SequenceSlices> slices_;
  kernels::AttentionCall call_;
  int rank_;
  SliceSight sight_;
  RowExchange exchange_;
};

}  // namespace lf
