// longform train CONFIG --out DIR [--set k=v ...] [--resume] [--profile]
#include "cli/options.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "trainers/config/load.h"
#include "trainers/signals.h"
#include "trainers/trainer.h"

namespace lf::cli {
namespace {

struct Options {
  std::string config, out;
  std::vector<std::string> overrides;
  bool resume = false, profile = false;
};

void train(const Options& options, Outcome& outcome) {
  if (options.out.empty()) throw UsageError("--out is empty; name the run's folder");
  const std::shared_ptr<RunRequests> requests = answer_signals();
  Trainer trainer(load_run_config(options.config, options.overrides), options.out, options.resume, requests);
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
  verb.flag("--resume", &options->resume, "Continue the run in the folder; start it if there is none yet");
  verb.flag("--profile", &options->profile,
            "Report where the time goes, per stage; also in the run folder's profile.json");
  verb.action([options, &outcome] { train(*options, outcome); });
}

}  // namespace lf::cli
