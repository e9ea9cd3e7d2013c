// longform evaluate RUN|CONFIG [--split test] [--checkpoint latest|best|FOLDER] [--ranks N] [--json]
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/ranks.h"
#include "cli/verbs.h"
#include "core/activity.h"
#include "core/check.h"
#include "core/json.h"
#include "core/messages.h"
#include "core/profile.h"
#include "trainers/ranks/same_run.h"
#include "trainers/report/console.h"
#include "trainers/tasks/evaluation.h"

namespace lf::cli {
namespace {

struct Options {
  std::string run, split = "test", checkpoint = "latest";
  std::vector<std::string> overrides;
  int64_t ranks = 1;
  bool json = false, allow_other_data = false;
};

Split parse_split(const std::string& text) {
  for (const Split split : {Split::train, Split::validation, Split::test}) {
    if (text == name(split)) return split;
  }
  throw UsageError("--split is " + text + "; needed train, validation or test");
}

nlohmann::ordered_json report(const OpenedModel& opened, Split split, const Evaluation& score) {
  nlohmann::ordered_json result = {{"split", name(split)}, {"protocol", score.protocol}};
  if (score.details.contains("scored")) result["protocol"]["scored"] = score.details["scored"];
  result[opened.task->unit().name + "s"] = score.deciding().count;
  for (const Metric& metric : score.metrics)
    result[metric.name == "loss" ? "loss_nats" : metric.name] = metric.value;
  for (const auto& [key, value] : score.details.items())
    if (key != "scored") result[key] = value;
  result["checkpoint"] = opened.origin;
  result["step"] = opened.state.step;
  result["stage"] = opened.stage.name;
  return result;
}

// A line; of a table a line for each of its rows.
void print_detail(const std::string& key, const nlohmann::ordered_json& value) {
  if (!value.is_structured() || value.empty() || !value.front().is_structured()) {
    const std::string line = value.is_string() ? value.get<std::string>() : json_line(value);
    std::printf("  %s: %s\n", key.c_str(), line.c_str());
    return;
  }
  std::printf("  %s:\n", key.c_str());
  for (const auto& [name, row] : value.items()) {
    const std::string line = row.is_object() ? name + ": " + words(row) : json_line(row);
    std::printf("    %s\n", line.c_str());
  }
}

void print(const OpenedModel& opened, Split split, const Evaluation& score) {
  std::printf("%s: %lld %ss\n", name(split), static_cast<long long>(score.deciding().count),
              opened.task->unit().name.c_str());
  for (const Metric& metric : score.metrics) std::printf("  %s\n", words(metric).c_str());
  for (const auto& [key, value] : score.details.items()) print_detail(key, value);
  std::printf("protocol: %s; %s\n", words(score.protocol).c_str(), opened.origin.c_str());
}

OpenOptions open_options(const Options& options) {
  return {.checkpoint = options.checkpoint,
          .overrides = options.overrides,
          .allow_other_data = options.allow_other_data};
}

void evaluate(const Options& options, Split split, const std::shared_ptr<Communicator>& ranks) {
  Console console;
  const bool speaks = ranks->rank() == 0;
  const OpenedModel opened = open_together(*ranks, options.run, open_options(options));
  messages::warnings(opened.warnings);
  messages::detail("opened " + opened.origin);
  CHECK(!opened.stage.name.empty(), options.run,
        " is a model folder, which names no data to score it on; give a run, or a configuration");
  CHECK(opened.task->has(split), "the data of ", options.run, " have no ", name(split),
        " split that can be scored");
  // As in the run where as many ranks can; others score whole sequences.
  const int64_t wanted = opened.config.ranks.sequence;
  const int slices = ranks->size() % wanted == 0 ? static_cast<int>(wanted) : 1;
  const RankGrid grid(ranks, slices);
  const Phase phase("evaluate");
  const Evaluation score =
      opened.task->evaluate(split, Effort::report, opened.stage, grid, [&](int64_t done, int64_t total) {
        if (Activity* const activity = Activity::current()) activity->begin_step(done), activity->tick();
        Progress progress;
        progress.stage = std::string("evaluating ") + name(split);
        progress.step = done;
        progress.total_steps = total;
        if (speaks) console.progress(progress);
        return true;
      });
  if (!speaks) return;
  console.finish_line();
  if (options.json) {
    std::printf("%s\n", json_line(report(opened, split, score)).c_str());
  } else {
    print(opened, split, score);
  }
}

void evaluate_on_ranks(const Options& options, Outcome& outcome) {
  Split split = Split::test;
  answer_on_ranks(
      outcome, options.ranks,
      [&] {
        split = parse_split(options.split);
        return config_to_open(options.run, open_options(options));
      },
      [&](Communicator&) { evaluate(options, split, outcome.ranks); });
}

}  // namespace

void add_evaluate(const Verb& app, Outcome& outcome) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("evaluate", "Score a run's checkpoint by the configuration's protocol.");
  verb.option("run", &options->run, "Run folder, or a configuration, whose initial weights are scored")
      .required();
  verb.option("--split", &options->split, "train, validation or test (default)");
  verb.option("--checkpoint", &options->checkpoint,
              "latest (default), best, or a checkpoint's name or folder");
  verb.overrides(&options->overrides, "evaluation.step=256");
  verb.flag("--allow-other-data", &options->allow_other_data,
            "Score what data.path holds, though it is not what the run was trained on");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  add_processes(verb, &options->ranks);
  verb.action([options, &outcome] { evaluate_on_ranks(*options, outcome); });
}

}  // namespace lf::cli
