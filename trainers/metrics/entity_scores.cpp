#include "trainers/metrics/entity_scores.h"

#include <set>

namespace lf {
namespace {

double share_of(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double EntityCounts::precision() const { return share_of(correct, predicted); }

double EntityCounts::recall() const { return share_of(correct, expected); }

double EntityCounts::f1() const {
  const double p = precision(), r = recall();
  return p + r == 0 ? 0 : 2 * p * r / (p + r);
}

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
  return types_.empty() ? 0 : sum / static_cast<double>(types_.size());
}

double EntityScores::weighted_f1() const {
  double sum = 0;
  for (const auto& [type, counts] : types_) sum += counts.f1() * static_cast<double>(counts.expected);
  const int64_t expected = all().expected;
  return expected == 0 ? 0 : sum / static_cast<double>(expected);
}

}  // namespace lf
