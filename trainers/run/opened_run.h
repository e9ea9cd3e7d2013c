// A finished or running run, opened for evaluation and generation.
#pragma once

#include <memory>

#include "trainers/run/run_folder.h"

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

// Whether what is done with an opened run reads its corpus: then that must be the one it was trained on,
// unless an override names another with data.path, and its tokens must stand for the same symbols.
enum class CorpusUse { read, none };

// Opens a run folder's checkpoint: `which` is "latest", "best" or a checkpoint's folder; faults that were
// passed over on the way to a good one are added to `warnings`. For a configuration file instead of a folder:
// its model with initial weights.
OpenedRun open_run(const std::string& path, const std::string& which,
                   const std::vector<std::string>& overrides, std::vector<std::string>& warnings,
                   CorpusUse use = CorpusUse::read);

}  // namespace lf
