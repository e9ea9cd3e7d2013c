// What the queries of every rank's slices see by window attention. A rank has it in extended tensors: of
// every sequence the slice with a halo on both sides, as far as the window reaches, then the global tokens.
// They come last so that no token stands before the whole sequence's first, as kernels count for dropout.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "autograd/row_exchange.h"
#include "autograd/sequence_slices.h"
#include "core/kernels/attention_call.h"

namespace lf {

// Tokens [begin, end) of a whole sequence.
struct Stretch {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Stretch&) const = default;
};

class SliceSight {
 public:
  // The call's global tokens are the whole sequences'.
  SliceSight(std::shared_ptr<const SequenceSlices> slices, const kernels::AttentionCall& call);

  // How many global tokens sequence b has, and where the n-th stands.
  int64_t globals(int64_t b) const;
  int64_t global(int64_t b, int64_t n) const;
  // A rank's slice of sequence b with its halo; empty where the slice is.
  Stretch stretch(int64_t b, int rank) const;
  // Of sequence b in a rank's extended tensors.
  int64_t rows(int64_t b, int rank) const { return globals(b) + stretch(b, rank).size(); }
  // All ranks' extended tensors, from what each has.
  std::vector<WantedRows> wanted() const;

 private:
  WantedRows wanted_by(int rank, const std::vector<std::vector<int64_t>>& offsets) const;

  std::shared_ptr<const SequenceSlices> slices_;
  std::shared_ptr<const GlobalTokens> globals_;
  int64_t before_ = 0, after_ = 0;  // tokens that a window reaches
};

}  // namespace lf
