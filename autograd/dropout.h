// What operations with dropout on their way share.
#pragma once

#include "autograd/tape.h"
#include "core/random.h"

namespace lf {

// dropout(x), also as its own gradient; x itself where nothing is dropped.
Tensor dropped(const Tensor& x, const Dropout& drop);

// An Error naming `op` unless residual + dropout(x) exists: one shape and dtype, a probability in [0, 1).
void check_residual(const char* op, const Var& residual, const Var& x, const Dropout& drop);

}  // namespace lf
