// Rows of sequences that are cut over ranks, brought together for what needs them whole.
#pragma once

#include <memory>

#include "autograd/sequence_slices.h"
#include "autograd/tape.h"

namespace lf {

// x (n, ...) of each rank's slices -> all of them (N, ...) on rank 0, none (0, ...) on the others. Every rank
// calls it, and its backward, in the same order.
Var gathered_slices(const Var& x, const std::shared_ptr<const SequenceSlices>& slices);

}  // namespace lf
