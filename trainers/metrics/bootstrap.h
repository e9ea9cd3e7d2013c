// How far means of scores may be trusted: confidence intervals by the bootstrap (B. Efron, "Bootstrap
// methods", Annals of Statistics 7.1, 1979), as rouge-score's BootstrapAggregator gives them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lf {

struct BootstrapSettings {
  double confidence = 0.95;  // the share of resampled means within an interval
  int64_t samples = 1000;
  uint64_t seed = 0;
};

// Quantiles of the resampled means; `mid` is the median, which is close to the records' own mean.
struct Interval {
  double low = 0, mid = 0, high = 0;
};

// The value at that share (0 to 1) of the sorted values, between two of them in proportion: what
// numpy.percentile gives for 100 times the share. Throws Error where there are no values.
double quantile(std::vector<double> values, double share);

// An interval for the mean of each measure. `scores` is (records, measures); a sample draws as many records
// as there are, some of them more than once, and takes all measures of each. The same scores, in the same
// order, and the same seed give the same bits. Throws Error where there is no record.
std::vector<Interval> bootstrap_intervals(std::span<const double> scores, int64_t measures,
                                          const BootstrapSettings& settings = {});

}  // namespace lf
