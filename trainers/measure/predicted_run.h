// What a run will need, before it runs: its task does updates of every stage and a batch of every score on a
// device that only counts (core/plan.h).
#pragma once

#include <memory>
#include <vector>

#include "core/communicator/imagined.h"
#include "core/communicator/rank_grid.h"
#include "core/plan.h"
#include "trainers/config/stages.h"
#include "trainers/measure/machine_costs.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/tasks/task.h"

namespace lf {

struct StagePrediction {
  // The largest size of the process up to the stage's end; of a run on a device, of its memory there.
  int64_t memory_bytes = 0;
  double seconds = 0;       // training, scores and checkpoints; infinite where only patience ends it
  int64_t disk_bytes = 0;   // the run folder's largest size up to here
  double update_flops = 0;  // of one update: what the model needs, not what it costs here
  // Of one update's seconds: forward and backward of its micro-batches, and what comes of their gradients.
  double computing_seconds = 0, updating_seconds = 0;
  // Where ranks cut the sequences: what the first of a group exchanges with the others for one update.
  double slice_exchanges = 0, slice_bytes = 0;
};

class PredictedRun {
 public:
  // Opens the task, with ranks.sequence > 1 as the first of a group of ranks. `timed`: the kernels are timed
  // where the run would be, which must be there; else no seconds are predicted.
  PredictedRun(const RunConfig& config, bool timed);

  Task& task() { return *task_; }
  const std::vector<Stage>& stages() const { return stages_; }
  int64_t parameters() const { return parameters_; }
  // In their order.
  StagePrediction next_stage();
  // The optimizer of one of so many ranks, for what it keeps and which shares it has.
  std::unique_ptr<Optimizer> optimizer_of(Rank rank);
  // Of the copy that rank 0 writes checkpoints from, where that is memory of the device.
  int64_t copy_bytes() const;
  const RunConfig& config() const { return config_; }
  // What tensors and kernels needed so far.
  MemoryUse tensors() const { return plan_.pool()->use(); }

 private:
  struct Elapsed;
  // Of one update.
  struct Update {
    double computing = 0, updating = 0, flops = 0, slice_exchanges = 0, slice_bytes = 0;
    double seconds() const { return computing + updating; }
  };
  Update update(const Stage& stage);
  double score_seconds(Split split, Effort effort, const Stage& stage);
  double stage_seconds(const Stage& stage, double update, bool is_last);
  double save_seconds() const;
  int64_t memory_bytes() const;
  int64_t disk_bytes(const Stage& stage) const;

  RunConfig config_;
  bool timed_;
  double started_;  // seconds of the process before
  MachineCosts costs_;
  Plan plan_;
  std::shared_ptr<ImaginedRanks> slices_;  // a group that cuts the sequences, of which this is the first
  RankGrid grid_;
  std::unique_ptr<Task> task_;
  std::vector<Stage> stages_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Tensor> copy_;  // that checkpoints are written from
  Tensor total_;              // where gradients are added up in order
  size_t next_ = 0;
  int64_t parameters_ = 0;
  int64_t touched_ = 0;  // at the end of the last stage
  double opening_seconds_ = 0;
};

}  // namespace lf
