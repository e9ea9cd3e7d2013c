// longform check CONFIG [--set k=v] [--json] [--write-reference FOLDER]
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/files.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/threads.h"
#include "trainers/config/load.h"
#include "trainers/config/reference.h"
#include "trainers/tasks/char_lm_estimate.h"
#include "trainers/tasks/char_lm_model.h"
#include "trainers/tasks/corpora.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/masked_lm_estimate.h"
#include "trainers/tasks/masked_lm_task.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string config, reference;
  std::vector<std::string> overrides;
  bool json = false;
};

// One stage with what it is predicted to need.
ordered_json describe(const Stage& stage, const std::vector<int64_t>& windows, const StageEstimate& e) {
  return {{"name", stage.name},
          {"sequence_length", stage.sequence_length},
          {"windows", windows},
          {"dilation", stage.dilation},
          {"batch_size", stage.batch_size},
          {"steps", planned_steps(stage)},
          {"memory_bytes", e.memory_bytes},
          {"seconds", std::isfinite(e.seconds) ? ordered_json(e.seconds) : ordered_json()},
          {"disk_bytes", e.disk_bytes}};
}

void add_notices(const RunConfig& config, int64_t head_width, bool relative, ordered_json& result) {
  for (const std::string& notice : device_notices(config, head_width, relative))
    result["warnings"].push_back(notice);
}

ordered_json check_masked_lm(const RunConfig& config, const MachineRates& rates) {
  RunConfig here = config;
  here.device = DeviceChoice::cpu;  // nothing runs
  MaskedLMTask task(here, {.data = true, .weights = false});
  const DocumentCorpus& corpus = task.corpus();
  const EncoderShape& shape = task.model().encoder.shape;
  int64_t parameters = 0;
  for (const PackedParameter& p : task.parameters().parameters) parameters += p.shape.elements();
  ordered_json result = {{"parameters", parameters},
                         {"vocabulary", shape.vocabulary},
                         {"tokens",
                          {{"train", corpus.train.tokens},
                           {"validation", corpus.validation.tokens},
                           {"test", corpus.test.tokens}}},
                         {"warnings", corpus.warnings},
                         {"stages", ordered_json::array()}};
  add_notices(config, shape.head_width(), false, result);
  for (const Stage& stage : resolved_stages(config)) {
    task.check_stage(stage);
    const std::vector<int64_t> full(static_cast<size_t>(shape.layers), stage.sequence_length);
    result["stages"].push_back(
        describe(stage, shape.is_longformer() ? shape.windows : full,
                 estimate_stage(config, shape, stage, corpus.validation.tokens, corpus.test.tokens, rates)));
  }
  return result;
}

ordered_json check_char_lm(const RunConfig& config, const MachineRates& rates) {
  const CorpusFiles corpus = open_corpus_files(config.data);
  const CharLMShape shape = char_lm_shape(config, corpus.train->vocabulary_size());
  CharLM model(shape);
  const CorpusCounts counts{corpus.validation->count(), corpus.test->count()};
  ordered_json result = {
      {"parameters", count_parameters(model)},
      {"vocabulary", shape.vocabulary},
      {"characters",
       {{"train", corpus.train->count()}, {"validation", counts.validation}, {"test", counts.test}}},
      {"warnings", corpus.corpus.warnings},
      {"stages", ordered_json::array()}};
  if (config.evaluation.sequence_length > counts.test) {
    result["warnings"].push_back(text("evaluation.sequence_length ", config.evaluation.sequence_length,
                                      " exceeds the test split of ", counts.test,
                                      " characters: it is scored in one piece"));
  }
  add_notices(config, shape.head_width, shape.relative_positions, result);
  for (const Stage& stage : resolved_stages(config)) {
    check_corpus_fits(corpus, stage);
    const StageEstimate e = estimate_stage(config, shape, stage, counts, rates);
    result["stages"].push_back(describe(stage, stage.windows, e));
  }
  return result;
}

ordered_json check(const RunConfig& config) {
  use_threads(config.threads);
  std::string missing;  // a configuration for another machine is checked too, without its times
  try {
    require(device_of(config));
  } catch (const Error& error) {
    missing = error.what();
  }
  const MachineRates rates =
      missing.empty() ? measure_rates(compute_dtype(config), device_of(config)) : MachineRates();
  ordered_json result =
      config.task == TaskChoice::masked_lm ? check_masked_lm(config, rates) : check_char_lm(config, rates);
  if (!missing.empty()) result["warnings"].push_back("no time is predicted: " + missing);
  return result;
}

void print(const ordered_json& result) {
  std::printf("parameters %s, vocabulary %s\n", format_grouped(result["parameters"].get<int64_t>()).c_str(),
              result["vocabulary"].dump().c_str());
  std::printf("%-12s %9s %9s %8s %10s %10s %10s\n", "stage", "sequence", "windows", "steps", "memory", "time",
              "disk");
  for (const auto& stage : result["stages"]) {
    const auto windows = stage["windows"].get<std::vector<int64_t>>();
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
      std::printf("%s\n", result.dump().c_str());
    else
      print(result);
  });
}

}  // namespace lf::cli
