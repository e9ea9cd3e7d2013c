// The training loop: stages of updates, with validation, logging and checkpoints between them. It knows no
// task by name.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/communicator/rank_grid.h"
#include "core/profile.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/ranks/gradient_exchange.h"
#include "trainers/report/run_report.h"
#include "trainers/run/checkpoint_writer.h"
#include "trainers/run/run_folder.h"
#include "trainers/run/run_state.h"
#include "trainers/run_requests.h"
#include "trainers/tasks/micro_batches.h"
#include "trainers/tasks/task.h"

namespace lf {

// What became of a run.
enum class RunEnd { finished, stopped };

class Trainer {
 public:
  // A new run in `folder`, which must not hold one; or, with `resume`, the run that it holds, from its newest
  // good checkpoint (from the start if there is none yet). It does what `requests` ask once it runs.
  // Of several ranks all do this together: rank 0 reads and writes the folder, the others need none.
  Trainer(const RunConfig& config, const std::string& folder, bool resume,
          std::shared_ptr<RunRequests> requests = std::make_shared<RunRequests>(),
          std::shared_ptr<Communicator> ranks = alone());

  // From here on counts where the time goes, and reports it at the end of each stage and where run() stops.
  void profile() { profiles_ = true; }

  RunEnd run();
  // The signal that stopped it; 0: none.
  int stop_signal() const { return stop_signal_; }

 private:
  bool stage_done() const;
  bool run_stage();
  void begin_stage();
  void report_profile(int64_t stage_index);
  bool end_stage();
  StepResult train_step();
  void agree(StepResult& result);
  bool stop_wanted();
  void say_start() const;
  bool writes() const { return ranks_->rank() == 0; }
  double data_wait_seconds() const;
  bool accept(StepResult& result);
  void roll_back();
  std::string suspects(const StepResult& result) const;
  std::string first_bad_gradient() const;
  std::string blame(const StepResult& result) const;

  void after_step(const StepResult& result);
  void log_step(const StepResult& result);
  std::optional<bool> validate();
  std::optional<Evaluation> score(Split split, Effort effort);
  void save_if_due(bool best);
  void save(bool best = false);
  void finish_saving();
  void load_newest();
  OptimizerState load(const LoadedCheckpoint& checkpoint);
  std::string stage_name() const;

  std::shared_ptr<Communicator> ranks_;
  RunConfig config_;
  RankGrid grid_;
  std::string folder_;

  std::unique_ptr<Task> task_;
  std::vector<Stage> stages_;
  Optimizer optimizer_;
  GradientExchange gradients_;

  RunState state_;
  Stage stage_;
  std::optional<MicroBatches> batches_;  // of the stage
  double waited_ = 0;                    // for data, in earlier stages
  bool profiles_ = false;
  int64_t profiled_from_ = 0;       // steps before this process's part of the stage
  std::optional<Profile> profile_;  // of this stage, in this process

  std::optional<RunLock> lock_;             // of rank 0
  std::optional<CheckpointWriter> writer_;  // of rank 0; ends before the lock does
  std::optional<RunReport> report_;
  std::shared_ptr<RunRequests> requests_;
  // What all ranks have agreed on: the signal that stops the run, a save that has yet to be made, that the
  // stage's time is over.
  int stop_signal_ = 0;
  bool save_agreed_ = false, over_time_ = false;
  double step_started_ = 0, last_save_;
};

}  // namespace lf
