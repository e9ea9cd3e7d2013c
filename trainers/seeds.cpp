#include "trainers/seeds.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "core/messages.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/opened_model.h"
#include "trainers/tasks/evaluation.h"

namespace lf {
namespace {

using nlohmann::ordered_json;

std::string folder_of(const std::string& folder, int64_t seed) { return text(folder, "/seed-", seed); }

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Of a sample; nothing of a single value.
ordered_json deviation_of(const std::vector<double>& values) {
  if (values.size() < 2) return {};
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

// values[split][metric] of one run.
void add_scores(const std::string& run, ordered_json& values) {
  const bool has_best = std::filesystem::exists(run + "/" + kBest);
  const OpenedModel opened =
      open_model(run, {.checkpoint = has_best ? "best" : "latest", .overrides = {}, .device = {}});
  for (const Split split : {Split::validation, Split::test}) {
    if (!opened.task->has(split)) continue;
    const Evaluation score = opened.task->evaluate(split, Effort::report, opened.stage, RankGrid(), {});
    for (const Metric& metric : score.metrics) values[name(split)][metric.name].push_back(metric.value);
  }
}

}  // namespace

RunEnd train_seeds(const RunConfig& config, const std::string& folder, int64_t count, bool resume,
                   std::shared_ptr<RunRequests> requests) {
  CHECK(!std::filesystem::exists(folder + "/" + kConfigName), folder,
        " holds a single run; name another folder for runs of several seeds");
  create_folders(folder);
  for (int64_t i = 0; i < count; ++i) {
    RunConfig one = config;
    one.seed += i;
    if (count > 1) messages::info(text("seed ", one.seed, ", run ", i + 1, " of ", count));
    if (Trainer(one, folder_of(folder, one.seed), resume, requests).run() == RunEnd::stopped)
      return RunEnd::stopped;
  }
  return RunEnd::finished;
}

ordered_json summarize_seeds(const RunConfig& config, const std::string& folder, int64_t count) {
  ordered_json values, result;
  for (int64_t i = 0; i < count; ++i) {
    result["seeds"].push_back(config.seed + i);
    add_scores(folder_of(folder, config.seed + i), values);
  }
  for (const auto& [split, metrics] : values.items()) {
    for (const auto& [metric, list] : metrics.items()) {
      const auto numbers = list.get<std::vector<double>>();
      result[split][metric] = {
          {"mean", mean_of(numbers)}, {"standard_deviation", deviation_of(numbers)}, {"values", numbers}};
    }
  }
  write_file_atomically(folder + "/seeds.json", result.dump(2) + "\n");
  return result;
}

}  // namespace lf
