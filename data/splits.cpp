#include "data/splits.h"

#include <cmath>

#include "core/check.h"

namespace lf {

SplitSizes split_sizes(int64_t bytes, const SplitFractions& fractions) {
  if (!(fractions.validation > 0 && fractions.test > 0 && fractions.validation + fractions.test < 1)) {
    throw UsageError(text("split: validation ", fractions.validation, " and test ", fractions.test,
                          " must be fractions above 0 that leave something for training"));
  }
  SplitSizes sizes;
  sizes.validation = std::llround(static_cast<double>(bytes) * fractions.validation);
  sizes.test = std::llround(static_cast<double>(bytes) * fractions.test);
  sizes.train = bytes - sizes.validation - sizes.test;
  CHECK(sizes.train > 0 && sizes.validation > 0 && sizes.test > 0, "split: ", bytes, " bytes give train ",
        sizes.train, ", validation ", sizes.validation, " and test ", sizes.test, "; each needs at least 1");
  return sizes;
}

}  // namespace lf
