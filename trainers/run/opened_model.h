// The one way to open a model: a run, the configuration of one, or a model folder in Hugging Face form.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainers/run/run_folder.h"

namespace lf {

// A model with its weights, and where they come from.
struct OpenedModel {
  RunConfig config;
  std::unique_ptr<Task> task;         // with the parameters
  std::string origin;                 // where those came from: a checkpoint's folder, a model folder
  RunState state;                     // of a run's checkpoint
  Stage stage;                        // whose patterns the parameters were trained with
  std::vector<std::string> warnings;  // faults that were passed over, weights that are no numbers
};

struct OpenOptions {
  std::string checkpoint = "latest";   // of a run: "latest", "best", or a checkpoint's name or folder
  std::vector<std::string> overrides;  // of its configuration, "key=value"
  // Whether the data are read: then they must be those that a run was trained on, unless an override names
  // others with data.path, and their tokens must stand for the same symbols.
  bool needs_data = true;
  bool allow_other_data = false;  // take what is at data.path, if its symbols are known
  std::optional<Device> device;   // instead of the run's; a model folder's is the CPU
};

// Opens a run's checkpoint; for a configuration file, its model with initial weights; for a model folder, the
// model that its config.json describes.
OpenedModel open_model(const std::string& path, const OpenOptions& options = {});

// The configuration that the model is opened with.
RunConfig config_to_open(const std::string& path, const OpenOptions& options = {});

// A run folder's checkpoint: `which` is as in OpenOptions.
LoadedCheckpoint choose_checkpoint(const std::string& folder, const std::string& which,
                                   std::vector<std::string>& warnings);

}  // namespace lf
