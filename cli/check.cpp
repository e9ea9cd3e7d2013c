// longform check CONFIG [--set k=v] [--ranks N,...] [--json] [--write-reference FOLDER]
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/files.h"
#include "core/format.h"
#include "core/json.h"
#include "core/messages.h"
#include "core/threads.h"
#include "trainers/config/load.h"
#include "trainers/config/reference.h"
#include "trainers/measure/predicted_ranks.h"
#include "trainers/measure/predicted_run.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string config, reference;
  std::vector<std::string> overrides;
  std::vector<int64_t> ranks;
  double bandwidth = 1.25, latency = 50;
  bool json = false;

  Network network() const { return {.bytes_per_second = bandwidth * 1e9, .latency = latency * 1e-6}; }
};

ordered_json known(double value) { return std::isfinite(value) ? ordered_json(value) : ordered_json(); }

// One stage with what it is predicted to need.
ordered_json describe(const Stage& stage, const RunConfig& config, const std::vector<int64_t>& windows,
                      const StagePrediction& p) {
  ordered_json description = {
      {"name", stage.name}, {"sequence_length", stage.sequence_length}, {"windows", windows}};
  if (config.task == TaskChoice::char_lm) description["dilation"] = stage.dilation;
  description.update({{"batch_size", stage.batch_size},
                      {"steps", planned_steps(stage)},
                      {"memory_bytes", p.memory_bytes},
                      {"seconds", known(p.seconds)},
                      {"disk_bytes", p.disk_bytes},
                      {"update_flops", p.update_flops}});
  return description;
}

ordered_json describe(const RanksPrediction& p, bool timed) {
  ordered_json row = {{"ranks", p.ranks}};
  if (!p.error.empty()) {
    row["error"] = p.error;
    return row;
  }
  const auto time = [&](double value) { return timed ? known(value) : ordered_json(); };
  row.update({{"micro_batches", p.micro_batches},
              {"memory_bytes", p.memory_bytes},
              {"other_memory_bytes", p.other_memory_bytes},
              {"bytes_sent", p.bytes_sent},
              {"idle", p.idle},
              {"exchange_seconds", time(p.exchange_seconds)},
              {"exchange_wait_seconds", time(p.exchange_wait_seconds)},
              {"update_seconds", time(p.seconds)},
              {"efficiency", time(p.efficiency)}});
  return row;
}

// The stages again, each shared by so many ranks. One number of ranks that cannot train them is an error, as
// it would be in the run; of several it is in its row.
void add_ranks(PredictedRun& run, const std::vector<StagePrediction>& predicted, const Options& options,
               bool timed, ordered_json& stages) {
  for (size_t i = 0; i < predicted.size(); ++i) {
    ordered_json rows = ordered_json::array();
    for (const int64_t ranks : options.ranks) {
      const RanksPrediction p = predict_ranks(run, run.stages()[i], predicted[i], ranks, options.network());
      if (options.ranks.size() == 1 && !p.error.empty()) throw UsageError(p.error);
      rows.push_back(describe(p, timed));
    }
    stages[i]["ranks"] = std::move(rows);
  }
}

ordered_json check(const RunConfig& config, const Options& options) {
  use_threads(config.threads);
  std::string missing;  // a configuration for another machine is checked too, without its times
  try {
    require(device_of(config));
  } catch (const Error& error) {
    missing = error.what();
  }
  PredictedRun run(config, missing.empty());
  ordered_json result = {{"parameters", run.parameters()}};
  result.update(run.task().facts());
  ordered_json& warnings = result["warnings"];
  for (const std::string& notice : run.task().notices()) warnings.push_back(notice);
  if (!missing.empty()) warnings.push_back("it cannot be trained here, and no time is predicted: " + missing);
  if (warnings.is_null()) warnings = ordered_json::array();
  ordered_json stages = ordered_json::array();
  std::vector<StagePrediction> predicted;
  for (const Stage& stage : run.stages()) {
    predicted.push_back(run.next_stage());
    stages.push_back(describe(stage, config, run.task().windows(stage), predicted.back()));
  }
  if (!options.ranks.empty()) {
    result["network"] = {{"gigabytes_per_second", options.bandwidth}, {"microseconds", options.latency}};
    add_ranks(run, predicted, options, missing.empty(), stages);
  }
  result["stages"] = std::move(stages);
  return result;
}

void print(const ordered_json& result) {
  std::printf("parameters %s", format_grouped(result["parameters"].get<int64_t>()).c_str());
  if (result.contains("vocabulary")) std::printf(", vocabulary %s", result["vocabulary"].dump().c_str());
  std::printf("\n");
  std::printf("%-12s %9s %9s %8s %10s %10s %10s\n", "stage", "sequence", "windows", "steps", "memory", "time",
              "disk");
  for (const auto& stage : result["stages"]) {
    auto windows = stage["windows"].get<std::vector<int64_t>>();
    if (windows.empty()) windows.push_back(stage["sequence_length"]);
    std::printf(
        "%-12s %9s %4s-%-4s %8s %10s %10s %10s\n", stage["name"].get<std::string>().c_str(),
        stage["sequence_length"].dump().c_str(), std::to_string(windows.front()).c_str(),
        std::to_string(windows.back()).c_str(), stage["steps"].dump().c_str(),
        format_bytes(stage["memory_bytes"].get<double>()).c_str(),
        format_duration(stage["seconds"].is_null() ? INFINITY : stage["seconds"].get<double>()).c_str(),
        format_bytes(stage["disk_bytes"].get<double>()).c_str());
  }
}

// A table of each stage with a line for each number of ranks.
void print_ranks(const ordered_json& result) {
  std::printf("\nan update shared by ranks; exchanges at %s GB/s and %s microseconds each\n",
              result["network"]["gigabytes_per_second"].dump().c_str(),
              result["network"]["microseconds"].dump().c_str());
  std::printf("%-12s %6s %10s %10s %10s %6s %10s %10s %10s %10s\n", "stage", "ranks", "memory", "of others",
              "sent", "idle", "exchange", "unhidden", "update", "efficiency");
  const auto times = [](const ordered_json& value, double factor, const char* unit) {
    if (value.is_null()) return std::string("unknown");
    std::array<char, 32> words{};
    std::snprintf(words.data(), words.size(), "%.1f %s", factor * value.get<double>(), unit);
    return std::string(words.data());
  };
  const auto time = [&](const ordered_json& value) { return times(value, 1000, "ms"); };
  const auto percent = [&](const ordered_json& value) { return times(value, 100, "%"); };
  for (const auto& stage : result["stages"]) {
    for (const auto& row : stage["ranks"]) {
      std::printf("%-12s %6s ", stage["name"].get<std::string>().c_str(), row["ranks"].dump().c_str());
      if (row.contains("error")) {
        std::printf("%s\n", row["error"].get<std::string>().c_str());
        continue;
      }
      const auto bytes = [&](const char* key) { return format_bytes(row[key].get<double>()); };
      std::printf("%10s %10s %10s %6s %10s %10s %10s %10s\n", bytes("memory_bytes").c_str(),
                  bytes("other_memory_bytes").c_str(), bytes("bytes_sent").c_str(),
                  percent(row["idle"]).c_str(), time(row["exchange_seconds"]).c_str(),
                  time(row["exchange_wait_seconds"]).c_str(), time(row["update_seconds"]).c_str(),
                  percent(row["efficiency"]).c_str());
    }
  }
}

}  // namespace

void add_check(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb =
      app.verb("check", "Check a configuration and its data, and predict memory, time and disk per stage.");
  const Option config = verb.option("config", &options->config, "YAML configuration");
  verb.overrides(&options->overrides);
  verb.option("--ranks", &options->ranks,
              "Predict an update shared by so many ranks as well; several numbers (1,8,64) give a table")
      .separated_by_commas()
      .within(1, 65536);
  verb.option("--bandwidth", &options->bandwidth,
              "Gigabytes a second that a rank sends to others, for --ranks (1.25: Ethernet of 10 Gbit/s)")
      .positive();
  verb.option("--latency", &options->latency, "Microseconds of an exchange of nothing, for --ranks (50)")
      .positive();
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.option("--write-reference", &options->reference,
              "Write config.md and config.schema.json into a folder")
      .excludes(config);
  verb.action([options] {
    if (!options->reference.empty()) {
      write_file_atomically(options->reference + "/config.md", config_markdown());
      write_file_atomically(options->reference + "/config.schema.json", config_json_schema());
      return;
    }
    if (options->config.empty()) throw UsageError("check: name a configuration");
    const ordered_json result = check(load_run_config(options->config, options->overrides), *options);
    for (const auto& warning : result["warnings"]) messages::warning(warning.get<std::string>());
    if (options->json) {
      std::printf("%s\n", json_line(result).c_str());
      return;
    }
    print(result);
    if (!options->ranks.empty()) print_ranks(result);
  });
}

}  // namespace lf::cli
