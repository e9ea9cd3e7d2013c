// What operations with dropout on their way share.
#pragma once

#include "autograd/row_dropout.h"
#include "autograd/tape.h"

namespace lf {

// dropout(x), also as its own gradient; x itself where nothing is dropped.
Tensor dropped(const Tensor& x, const RowDropout& drop);

// An Error naming `op` unless residual + dropout(x) exists: one shape and dtype, a probability in [0, 1).
void check_residual(const char* op, const Var& residual, const Var& x, const RowDropout& drop);

}  // namespace lf
