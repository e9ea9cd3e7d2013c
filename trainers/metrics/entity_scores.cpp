#include "trainers/metrics/entity_scores.h"

#include <set>

#include "trainers/metrics/ratio.h"

namespace lf {
double EntityCounts::precision() const {
  return ratio(static_cast<double>(correct), static_cast<double>(predicted));
}

double EntityCounts::recall() const {
  return ratio(static_cast<double>(correct), static_cast<double>(expected));
}

double EntityCounts::f1() const { return harmonic_mean(precision(), recall()); }

void EntityScores::add(const std::vector<Entity>& expected, const std::vector<Entity>& predicted) {
  const std::set<Entity> wanted(expected.begin(), expected.end()), found(predicted.begin(), predicted.end());
  for (const Entity& entity : wanted) ++types_[entity.type].expected;
  for (const Entity& entity : found) {
    EntityCounts& counts = types_[entity.type];
    ++counts.predicted;
    counts.correct += wanted.contains(entity);
  }
}

EntityCounts EntityScores::all() const {
  EntityCounts sum;
  for (const auto& [type, counts] : types_) {
    sum.expected += counts.expected;
    sum.predicted += counts.predicted;
    sum.correct += counts.correct;
  }
  return sum;
}

double EntityScores::macro_f1() const {
  double sum = 0;
  for (const auto& [type, counts] : types_) sum += counts.f1();
  return ratio(sum, static_cast<double>(types_.size()));
}

double EntityScores::weighted_f1() const {
  double sum = 0;
  for (const auto& [type, counts] : types_) sum += counts.f1() * static_cast<double>(counts.expected);
  return ratio(sum, static_cast<double>(all().expected));
}

}  // namespace lf
