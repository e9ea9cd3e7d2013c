#include "trainers/opened_run.h"

#include <algorithm>

namespace lf {
namespace {

LoadedCheckpoint choose_checkpoint(const std::string& folder, const std::string& which,
                                   std::vector<std::string>& warnings) {
  if (which == "latest") {
    std::optional<LoadedCheckpoint> newest = newest_checkpoint(folder, warnings);
    CHECK(newest, folder, " has no checkpoint yet");
    return std::move(*newest);
  }
  if (which == "best") {
    const std::optional<std::string> best = best_checkpoint(folder);
    CHECK(best, folder, " has no best checkpoint: it was not validated yet, or checkpoint.keep_best is off");
    return open_checkpoint(*best);
  }
  return open_checkpoint(which);
}

}  // namespace

OpenedRun open_run(const std::string& folder, const std::string& which,
                   const std::vector<std::string>& overrides, std::vector<std::string>& warnings) {
  OpenedRun run;
  run_folder_config(folder);  // says it best when the folder is no run
  run.config = load_run_config(folder + "/" + kConfigName, overrides);
  const LoadedCheckpoint checkpoint = choose_checkpoint(folder, which, warnings);
  run.checkpoint = checkpoint.folder;
  run.state = run_state_from_json(checkpoint.state.at("run"));
  run.communicator = alone();
  run.task = make_task(run.config, *run.communicator);
  load_parameters(checkpoint, run.task->parameters());
  // After a stage's end the state already names the next one, whose windows these parameters have not seen.
  const std::vector<Stage> stages = resolved_stages(run.config);
  const int64_t trained = run.state.stage - (run.state.stage_step == 0 && run.state.stage > 0 ? 1 : 0);
  run.stage =
      stages.at(static_cast<size_t>(std::min<int64_t>(trained, static_cast<int64_t>(stages.size()) - 1)));
  run.task->use_stage(run.stage);
  return run;
}

}  // namespace lf
