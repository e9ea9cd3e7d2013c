// The training loop: stages of updates, with validation, logging and checkpoints between them. It knows no
// task by name.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/communicator/communicator.h"
#include "core/profile.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/report/run_report.h"
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
  Trainer(const RunConfig& config, const std::string& folder, bool resume,
          std::shared_ptr<RunRequests> requests = std::make_shared<RunRequests>());

  // From here on counts where the time goes, and reports it at the end of each stage and where run() stops.
  void profile() { profiles_ = true; }

  RunEnd run();

 private:
  bool stage_done() const;
  bool run_stage();
  void begin_stage();
  void report_profile(int64_t stage_index);
  bool end_stage();
  StepResult train_step();
  double data_wait_seconds() const;
  bool accept(StepResult& result);
  void roll_back();
  std::string suspects(const StepResult& result) const;
  std::string first_bad_gradient() const;

  void after_step(const StepResult& result);
  void log_step(const StepResult& result);
  bool validate();
  std::optional<Evaluation> score(Split split, Effort effort);
  void save_if_due();
  void save(bool best = false);
  void load_newest();
  std::string stage_name() const;

  RunConfig config_;
  std::string folder_;

  std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<Task> task_;
  std::vector<Stage> stages_;
  Optimizer optimizer_;

  RunState state_;
  Stage stage_;
  std::optional<MicroBatches> batches_;  // of the stage
  double waited_ = 0;                    // for data, in earlier stages
  bool profiles_ = false;
  int64_t profiled_from_ = 0;       // steps before this process's part of the stage
  std::optional<Profile> profile_;  // of this stage, in this process

  RunLock lock_;
  RunReport report_;
  std::shared_ptr<RunRequests> requests_;
  double last_save_;
};

}  // namespace lf
