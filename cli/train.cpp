// longform train CONFIG --out DIR [--set k=v ...] [--resume] [--seeds N] [--profile]
//     [--ranks N] [--max-restarts N]
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/ranks.h"
#include "cli/supervise.h"
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
  Supervision supervision;
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

void train_run(const Options& options, const RunConfig& config, const std::shared_ptr<RunRequests>& requests,
               Outcome& outcome) {
  Trainer trainer(config, options.out, options.resume, requests, outcome.ranks);
  if (options.profile) trainer.profile();
  if (trainer.run() == RunEnd::stopped) outcome.exit_code = 128 + trainer.stop_signal();
}

void train_each_seed(const Options& options, const RunConfig& config,
                     const std::shared_ptr<RunRequests>& requests, Outcome& outcome) {
  if (options.profile) throw UsageError("--profile is of one run; leave out --seeds");
  const RunEnd end = train_seeds(config, options.out, *options.seeds, options.resume, requests);
  if (end == RunEnd::finished) return print_seeds(summarize_seeds(config, options.out, *options.seeds));
  outcome.exit_code = 128 + requests->stop_signal();
}

RunConfig config_of(const Options& options) {
  if (options.out.empty()) throw UsageError("--out is empty; name the run's folder");
  RunConfig config = load_run_config(options.config, options.overrides);
  if (options.seeds && started_by_mpi())
    throw UsageError(
        "--seeds trains one run after the other in one process; start it without a launcher of MPI");
  return config;
}

void train(const Options& options, Outcome& outcome) {
  const std::shared_ptr<RunRequests> requests = answer_signals();
  if (options.supervision.ranks > 1 || options.supervision.max_restarts > 0) {
    if (options.seeds)
      throw UsageError(
          "--seeds trains one run after the other in one process; leave out --ranks and --max-restarts");
    outcome.exit_code = supervise(options.out, options.supervision, requests);
    return;
  }
  on_ranks(
      outcome, "; --resume goes on from its last checkpoint", [&] { return config_of(options); },
      [&](const RunConfig& config) {
        if (options.seeds) return train_each_seed(options, config, requests, outcome);
        train_run(options, config, requests, outcome);
      });
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
  verb.option("--ranks", &options->supervision.ranks,
              "Start so many processes that share the run (1), as `mpirun -n N longform train` does")
      .within(1, 4096);
  verb.option("--max-restarts", &options->supervision.max_restarts,
              "Start the run again, up to so many times (0), when one of its processes was killed or lost")
      .within(0, 1000000);
  verb.flag("--profile", &options->profile,
            "Report where the time goes, per stage; also in the run folder's profile.json");
  verb.action([options, &outcome] { train(*options, outcome); });
}

}  // namespace lf::cli
