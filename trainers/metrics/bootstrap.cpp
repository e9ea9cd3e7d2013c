#include "trainers/metrics/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/parallel.h"
#include "core/random.h"

namespace lf {
namespace {

// Adds up one sample's records, then divides: `means` has a place for each measure.
void resample(std::span<const double> scores, std::span<double> means, uint64_t seed, int64_t sample) {
  const RandomKey key{.seed = seed, .use = kBootstrapUse, .step = static_cast<uint64_t>(sample)};
  const size_t records = scores.size() / means.size();
  std::fill(means.begin(), means.end(), 0.0);
  for (size_t drawn = 0; drawn < records; ++drawn) {
    const uint64_t bits = philox(key, drawn / 4)[drawn % 4];
    const std::span<const double> record =
        scores.subspan((bits * records >> 32) * means.size(), means.size());
    for (size_t m = 0; m < means.size(); ++m) means[m] += record[m];
  }
  for (double& mean : means) mean /= static_cast<double>(records);
}

}  // namespace

double quantile(std::vector<double> values, double share) {
  CHECK(!values.empty(), "quantile: there are no values");
  CHECK(share >= 0 && share <= 1, "quantile: the share is ", share, ", needed 0 to 1");
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const double low = values[below], high = values[std::min(below + 1, values.size() - 1)];
  const double weight = place - std::floor(place);
  // From the nearer of the two, as NumPy does it.
  return weight < 0.5 ? low + (high - low) * weight : high - (high - low) * (1 - weight);
}

std::vector<Interval> bootstrap_intervals(std::span<const double> scores, int64_t measures,
                                          const BootstrapSettings& settings) {
  const auto columns = static_cast<size_t>(measures), samples = static_cast<size_t>(settings.samples);
  CHECK(measures > 0 && !scores.empty() && scores.size() % columns == 0, "bootstrap: ", scores.size(),
        " scores are no records of ", measures, " measures");
  CHECK(settings.samples > 0, "bootstrap: ", settings.samples, " samples, needed one at least");
  std::vector<double> means(samples * columns);  // (samples, measures)
  parallel_for(settings.samples, 1, [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) {
      const auto place = static_cast<size_t>(sample) * columns;
      resample(scores, std::span(means).subspan(place, columns), settings.seed, sample);
    }
  });
  const double outside = (1 - settings.confidence) / 2;
  std::vector<Interval> intervals;
  for (size_t m = 0; m < columns; ++m) {
    std::vector<double> column(samples);
    for (size_t sample = 0; sample < samples; ++sample) column[sample] = means[sample * columns + m];
    intervals.push_back({quantile(column, outside), quantile(column, 0.5), quantile(column, 1 - outside)});
  }
  return intervals;
}

}  // namespace lf
