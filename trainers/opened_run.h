// A finished or running run, opened for evaluation and generation.
#pragma once

#include <memory>

#include "trainers/run_folder.h"

namespace lf {

struct OpenedRun {
  RunConfig config;
  std::unique_ptr<Communicator> communicator;
  std::unique_ptr<Task> task;  // with the checkpoint's parameters and its stage's patterns
  std::string checkpoint;      // folder it came from
  RunState state;
  Stage stage;
};

// A run folder's checkpoint: `which` is "latest", "best" or a checkpoint's folder.
LoadedCheckpoint choose_checkpoint(const std::string& folder, const std::string& which,
                                   std::vector<std::string>& warnings);

// Opens a run folder's checkpoint: `which` is "latest", "best" or a checkpoint's folder; faults that were
// passed over on the way to a good one are added to `warnings`. For a configuration file instead of a folder:
// its model with initial weights.
OpenedRun open_run(const std::string& path, const std::string& which,
                   const std::vector<std::string>& overrides, std::vector<std::string>& warnings);

}  // namespace lf
