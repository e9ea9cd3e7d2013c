// Checkpoints that are written beside training: the run's state is copied, and a thread of its own writes the
// copy while the next steps are done.
#pragma once

#include <future>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "layers/module.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/run/checkpoint.h"
#include "trainers/run/run_folder.h"

namespace lf {

class CheckpointWriter {
 public:
  // Of the run in `folder`, which is locked. Takes the copy's memory and writes to it, as the system gives
  // memory only then, and keeps it from save to save: a run that has not enough ends before its first step.
  CheckpointWriter(std::string folder, const RunLock& lock, const ParameterBlock& block);
  // Returns once nothing is being written; warns of a failure that nobody has heard of.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // The copy, in CPU memory, flat like the block; to be filled where wait() has returned and start() has not
  // been called since.
  Tensor& values() { return values_; }
  OptimizerState& optimizer() { return optimizer_; }

  // Writes the copy as the run's checkpoint after `step` updates, as save_run() does; returns at once.
  void start(int64_t step, nlohmann::ordered_json state, const Retention& retention);

  // If writing has ended since, says what became of it; throws what it failed with.
  void poll();
  // The same, once nothing is being written any more: all checkpoints are then on the disk.
  void wait();

 private:
  struct Written {
    int64_t step;
    double seconds;
    SavedCheckpoint checkpoint;
  };

  std::string folder_;
  const RunLock& lock_;
  Tensor values_;
  OptimizerState optimizer_;
  std::vector<TensorFile> files_;  // share the copy's memory
  std::future<Written> writing_;
};

}  // namespace lf
