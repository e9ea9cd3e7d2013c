// Targets of some of a batch's tokens.
#pragma once

#include "core/tensor.h"

namespace lf {

// The places whose target is not -1, and their targets, both (W) i32.
struct ChosenTargets {
  Tensor rows, targets;
};
// Of targets i32 in CPU memory, one for each token.
ChosenTargets chosen_targets(const Tensor& targets);

}  // namespace lf
