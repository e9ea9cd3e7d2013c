// longform check CONFIG [--set k=v] [--json] [--write-reference FOLDER]
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
#include "trainers/measure/predicted_run.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string config, reference;
  std::vector<std::string> overrides;
  bool json = false;
};

// One stage with what it is predicted to need.
ordered_json describe(const Stage& stage, const RunConfig& config, const std::vector<int64_t>& windows,
                      const StagePrediction& p) {
  ordered_json description = {
      {"name", stage.name}, {"sequence_length", stage.sequence_length}, {"windows", windows}};
  if (config.task == TaskChoice::char_lm) description["dilation"] = stage.dilation;
  description.update({{"batch_size", stage.batch_size},
                      {"steps", planned_steps(stage)},
                      {"memory_bytes", p.memory_bytes},
                      {"seconds", std::isfinite(p.seconds) ? ordered_json(p.seconds) : ordered_json()},
                      {"disk_bytes", p.disk_bytes},
                      {"update_flops", p.update_flops}});
  return description;
}

ordered_json check(const RunConfig& config) {
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
  for (const Stage& stage : run.stages())
    stages.push_back(describe(stage, config, run.task().windows(stage), run.next_stage()));
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

}  // namespace

void add_check(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb =
      app.verb("check", "Check a configuration and its data, and predict memory, time and disk per stage.");
  const Option config = verb.option("config", &options->config, "YAML configuration");
  verb.overrides(&options->overrides);
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
    const ordered_json result = check(load_run_config(options->config, options->overrides));
    for (const auto& warning : result["warnings"]) messages::warning(warning.get<std::string>());
    if (options->json)
      std::printf("%s\n", json_line(result).c_str());
    else
      print(result);
  });
}

}  // namespace lf::cli
