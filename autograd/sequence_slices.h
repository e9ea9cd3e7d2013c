// Sequences that are cut over ranks: each rank holds a slice of every sequence of a batch, and computes what
// one rank would compute of its tokens. What few tokens need of others' slices travels (row_exchange.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/communicator/communicator.h"
#include "core/kernels/attention_call.h"
#include "core/tensor.h"

namespace lf {

struct SequenceSlices {
  std::shared_ptr<Communicator> ranks;  // every one of them runs the same operations
  std::vector<int64_t> lengths;         // (B) of the whole sequences

  int64_t sequences() const { return static_cast<int64_t>(lengths.size()); }
  int64_t length(int64_t b) const { return lengths[static_cast<size_t>(b)]; }
  int64_t longest() const;
  // A rank's slice of sequence b is its tokens [begin(b, rank), begin(b, rank + 1)).
  // Rank 0 has the first token of each.
  int64_t begin(int64_t b, int rank) const { return (length(b) * rank + ranks->size() - 1) / ranks->size(); }
  // The rank in whose slice a token of sequence b is.
  int owner(int64_t b, int64_t token) const;
  // Where the slices of a rank's tensors begin, one behind the other, and where the last one ends (B + 1).
  std::vector<int64_t> offsets(int rank) const;
  // This rank's slices of a tensor that has a row for each token (N, ...), in CPU memory.
  Tensor own(const Tensor& whole) const;
  // The sum of what the lower ranks say of each sequence; every rank says something.
  std::vector<int64_t> sums_before(const std::vector<int64_t>& mine) const;
  // Those of the whole sequences' global tokens that are in a rank's slices, counted within these.
  GlobalTokens globals_of(int rank, const GlobalTokens& globals) const;
};

}  // namespace lf
