// longform train CONFIG --out DIR [--set k=v ...] [--resume] [--seeds N] [--profile]
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/options.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "trainers/config/load.h"
#include "trainers/seeds.h"
#include "trainers/signals.h"
#include "trainers/trainer.h"

namespace lf::cli {
namespace {

struct Options {
  std::string config, out;
  std::vector<std::string> overrides;
  std::optional<int64_t> seeds;
  bool resume = false, profile = false;
};

void print_seeds(const nlohmann::ordered_json& summary) {
  for (const auto& [split, metrics] : summary.items()) {
    if (split == "seeds") continue;
    for (const auto& [metric, about] : metrics.items()) {
      const auto& deviation = about["standard_deviation"];
      std::printf("%s %s: mean %.4f, standard deviation %s\n", split.c_str(), metric.c_str(),
                  about["mean"].get<double>(),
                  deviation.is_null() ? "unknown" : text(deviation.get<double>()).c_str());
    }
  }
}

void train(const Options& options, Outcome& outcome) {
  if (options.out.empty()) throw UsageError("--out is empty; name the run's folder");
  const std::shared_ptr<RunRequests> requests = answer_signals();
  const RunConfig config = load_run_config(options.config, options.overrides);
  if (options.seeds) {
    if (options.profile) throw UsageError("--profile is of one run; leave out --seeds");
    const RunEnd end = train_seeds(config, options.out, *options.seeds, options.resume, requests);
    if (end == RunEnd::finished) return print_seeds(summarize_seeds(config, options.out, *options.seeds));
    outcome.exit_code = 128 + requests->stop_signal();
    return;
  }
  Trainer trainer(config, options.out, options.resume, requests);
  if (options.profile) trainer.profile();
  if (trainer.run() == RunEnd::stopped) outcome.exit_code = 128 + requests->stop_signal();
}

}  // namespace

void add_train(const Verb& app, Outcome& outcome) {
  auto options = std::make_shared<Options>();
  const Verb verb = app.verb("train", "Train a model through the stages of a configuration.");
  verb.option("config", &options->config, "YAML configuration").required();
  verb.option("--out", &options->out, "Run folder: configuration, logs, checkpoints").required();
  verb.overrides(&options->overrides);
  verb.option(
          "--seeds", &options->seeds,
          "Train so many seeds, each in a folder seed-N of --out, and report mean and spread of their scores")
      .within(1, 1000);
  verb.flag("--resume", &options->resume, "Continue the run in the folder; start it if there is none yet");
  verb.flag("--profile", &options->profile,
            "Report where the time goes, per stage; also in the run folder's profile.json");
  verb.action([options, &outcome] { train(*options, outcome); });
}

}  // namespace lf::cli
