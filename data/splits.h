// How a source is divided into a training, a validation and a test split.
#pragma once

#include <cstdint>

namespace lf {

// The shares of the source's bytes at its end; the rest is for training. The published split is 90/5/5.
struct SplitFractions {
  double validation = 0.05;
  double test = 0.05;
};

// Bytes per split, in the order in which the source is cut: train, validation, test.
struct SplitSizes {
  int64_t train = 0, validation = 0, test = 0;
};

// Throws UsageError for fractions outside (0, 1), Error when a split would be empty.
SplitSizes split_sizes(int64_t bytes, const SplitFractions& fractions);

}  // namespace lf
