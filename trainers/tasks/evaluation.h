// What a score of a split says: named metrics, one of which decides which weights are best.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lf {

// A number about a split, such as bits_per_character or macro_f1; the name is its key in logs and reports.
struct Metric {
  std::string name;
  double value = 0;
  int64_t count = 0;   // over how much: targets, documents
  bool logged = true;  // in log.jsonl too; the others are reported by `longform evaluate` only
};

// What a task says about a split.
struct Evaluation {
  std::vector<Metric> metrics;
  size_t decides = 0;  // the metric by which checkpoints are compared
  bool larger_is_better = false;
  nlohmann::ordered_json protocol;  // how the split was scored, for log and report
  nlohmann::ordered_json details;   // what only the report says beside the metrics

  const Metric& deciding() const { return metrics.at(decides); }
};

// Compares checkpoints by the metric of this name, of which less is better where it is the loss.
void decide_by(const std::string& metric, Evaluation& evaluation);

// Whether the evaluation's deciding metric beats `best`, the best value so far; nothing is beaten by all.
bool improves(const Evaluation& now, const std::optional<double>& best);
// The same for a draw as well.
bool at_least_as_good(const Evaluation& now, const std::optional<double>& best);

// "bits per character" of bits_per_character.
std::string spaced(std::string name);
// "2.314 bits per character", as people read it.
std::string words(const Metric& metric);
// "sequence_length 256, step 128".
std::string words(const nlohmann::ordered_json& protocol);

}  // namespace lf
