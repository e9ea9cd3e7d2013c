#include "trainers/tasks/evaluation.h"

#include <algorithm>

#include "core/check.h"

namespace lf {

std::string spaced(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

void decide_by(const std::string& metric, Evaluation& evaluation) {
  const auto found = std::ranges::find(evaluation.metrics, metric, &Metric::name);
  evaluation.decides = static_cast<size_t>(found - evaluation.metrics.begin());
  evaluation.larger_is_better = metric != "loss";
}

bool improves(const Evaluation& now, const std::optional<double>& best) {
  if (!best) return true;
  const double value = now.deciding().value;
  return now.larger_is_better ? value > *best : value < *best;
}

bool at_least_as_good(const Evaluation& now, const std::optional<double>& best) {
  return improves(now, best) || now.deciding().value == *best;
}

std::string words(const Metric& metric) { return text(metric.value, ' ', spaced(metric.name)); }

std::string words(const nlohmann::ordered_json& protocol) {
  std::string result;
  for (const auto& [key, value] : protocol.items()) {
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    result += text(result.empty() ? "" : ", ", key, ' ', shown);
  }
  return result;
}

}  // namespace lf
