#include "trainers/run/opened_run.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/threads.h"
#include "layers/finite.h"
#include "trainers/config/load.h"
#include "trainers/tasks/make_task.h"

namespace lf {
namespace {

// The untrained model of a configuration file, with its last stage's patterns.
OpenedRun open_configuration(const std::string& path, const std::vector<std::string>& overrides) {
  OpenedRun run;
  run.config = load_run_config(path, overrides);
  run.checkpoint = "initial weights of " + path;
  run.communicator = alone();
  run.task = make_task(run.config, *run.communicator);
  run.stage = resolved_stages(run.config).back();
  run.task->use_stage(run.stage);
  return run;
}

bool overrides_key(const std::vector<std::string>& overrides, const std::string& key) {
  return std::any_of(overrides.begin(), overrides.end(),
                     [&](const std::string& setting) { return setting.starts_with(key + "="); });
}

// What the run recorded of its corpus is no wish of the user's: another corpus, named by an override, has its
// own.
template <class T>
void recorded_only(const std::vector<std::string>& overrides, const char* key, Inherited<T>& value) {
  if (!overrides_key(overrides, key)) value = {.given = {}, .fallback = value.value()};
}

RunConfig opened_config(const std::string& folder, const std::vector<std::string>& overrides) {
  RunConfig config = load_run_config(folder + "/" + kConfigName, overrides);
  recorded_only(overrides, "data.kind", config.data.kind);
  recorded_only(overrides, "data.newlines", config.data.newlines);
  recorded_only(overrides, "data.split", config.data.split);
  return config;
}

void check_corpus(const LoadedCheckpoint& checkpoint, const OpenedRun& run,
                  const std::vector<std::string>& overrides) {
  if (!overrides_key(overrides, "data.path") && !has_data_of(checkpoint, *run.task)) {
    throw UsageError(
        text("the corpus ", run.config.data.path, " (data.path) has changed since ", checkpoint.folder,
             " was saved; put it back, or name the text that is meant with --set data.path=..."));
  }
  check_same_vocabulary(checkpoint, run.config, *run.task);
}

OpenedRun open_run_folder(const std::string& folder, const std::string& which,
                          const std::vector<std::string>& overrides, std::vector<std::string>& warnings,
                          CorpusUse use) {
  OpenedRun run;
  run_folder_config(folder);  // says it best when the folder is no run
  run.config = opened_config(folder, overrides);
  const LoadedCheckpoint checkpoint = choose_checkpoint(folder, which, warnings);
  run.checkpoint = checkpoint.folder;
  run.state = run_state_from_json(checkpoint.state.at("run"));
  run.communicator = alone();
  run.task = make_task(run.config, *run.communicator);
  check_same_model(checkpoint, run.config, run.task->model_hash());
  if (use == CorpusUse::read) check_corpus(checkpoint, run, overrides);
  load_parameters(checkpoint, run.task->parameters());
  warn_if_not_finite(checkpoint.folder, run.task->parameters(), warnings);
  // After a stage's end the state already names the next one, whose windows these parameters have not seen.
  const std::vector<Stage> stages = resolved_stages(run.config);
  const int64_t trained = run.state.stage - (run.state.stage_step == 0 && run.state.stage > 0 ? 1 : 0);
  run.stage =
      stages.at(static_cast<size_t>(std::min<int64_t>(trained, static_cast<int64_t>(stages.size()) - 1)));
  run.task->use_stage(run.stage);
  return run;
}

}  // namespace

LoadedCheckpoint choose_checkpoint(const std::string& folder, const std::string& which,
                                   std::vector<std::string>& warnings) {
  if (which == "latest") {
    std::optional<LoadedCheckpoint> newest = newest_checkpoint(folder, warnings);
    CHECK(newest, folder, " has no checkpoint yet");
    return std::move(*newest);
  }
  if (which == "best") {
    std::optional<LoadedCheckpoint> best = load_best_checkpoint(folder);
    CHECK(best, folder, " has no best checkpoint: it was not validated yet, or checkpoint.keep_best is off");
    return std::move(*best);
  }
  CHECK(std::filesystem::is_directory(which), "checkpoint ", which,
        " is none: needed latest, best or a checkpoint's folder");
  return open_checkpoint(which);
}

OpenedRun open_run(const std::string& path, const std::string& which,
                   const std::vector<std::string>& overrides, std::vector<std::string>& warnings,
                   CorpusUse use) {
  OpenedRun run = std::filesystem::is_regular_file(path)
                      ? open_configuration(path, overrides)
                      : open_run_folder(path, which, overrides, warnings, use);
  use_threads(run.config.threads);
  return run;
}

}  // namespace lf
