// What a run says while it trains: log.jsonl, timing.jsonl, messages.log, TensorBoard event files and the
// console. The training loop decides when something is said, this file how.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/communicator/communicator.h"
#include "core/profile.h"
#include "trainers/config/run_config.h"
#include "trainers/config/stages.h"
#include "trainers/report/console.h"
#include "trainers/run/event_file.h"
#include "trainers/run/run_log.h"
#include "trainers/run/run_state.h"
#include "trainers/tasks/task.h"

namespace lf {

// What one update gave.
struct StepResult {
  double loss = 0, weight = 0;  // summed, in nats, and what it is divided by
  double norm = 0, learning_rate = 0;
  int64_t tokens = 0;
  double flops = 0;                        // this rank's
  std::vector<int64_t> bad_micro_batches;  // this rank's, whose loss is not finite
  bool finite = true;                      // on all ranks
  bool applied = true;
};

// What has been spent up to a moment, or between two: seconds, and on exchanges with other ranks: bytes that
// this one sent, seconds that they took, and seconds for which its computing waited for them.
struct Spent {
  double seconds = 0;
  int64_t bytes_sent = 0;
  double exchange_seconds = 0, exchange_wait_seconds = 0;

  Spent& operator+=(const Spent& other);
  Spent operator-(const Spent& other) const;
};

class RunReport {
 public:
  // Opens the logs in a run folder, and has messages go into it from here on; with no folder it reports
  // nothing, as on all ranks but the first. `peak`: operations that the device could do in a second, if it is
  // known.
  RunReport(const std::string& folder, LossUnit unit, Device device, std::optional<double> peak,
            std::shared_ptr<const Communicator> ranks);

  // Starts an event file whose first step is `next_step`: earlier files' points from there on are forgotten.
  void start_events(int64_t next_step);

  // The logs' lengths, into the state, with everything before them safely on the disk; and back to them.
  void store_lengths(RunState& state);
  void cut_to(const RunState& state);
  int64_t log_bytes() const { return log_.bytes(); }
  void flush_events();

  void stage_start(const RunState& state, const Stage& stage);
  // With the scores of the splits that there are.
  void stage_end(const std::string& stage_name, const RunState& state, const Evaluation* validation,
                 const Evaluation* test);
  void score(Split split, const RunState& state, const Evaluation& result);
  void not_finite(int64_t step, const std::string& policy);

  // Counts an update for the rate; then, when it is to be logged, writes the mean of the updates since the
  // last log.
  void count(const StepResult& result) {
    interval_tokens_ += result.tokens;
    interval_flops_ += result.flops;
  }
  void step(const RunState& state, const StepResult& result, double data_wait_seconds);
  void progress(const std::string& stage_name, const RunState& state, const Stage& stage,
                const StepResult& result);
  // Progress of something else than training, on a terminal only.
  void live_progress(const std::string& what, int64_t done, int64_t total);
  // Where the time of a stage's steps first_step to last_step went, in this process: a table for people, and
  // all stages so far in profile.json.
  void profile(int64_t stage_index, const std::string& stage_name, int64_t first_step, int64_t last_step,
               const PhaseTime& all);

  // What is logged is of training: it starts afresh, or leaves out what was spent on something else.
  void restart_interval();
  Spent spent() const;  // so far
  void leave_out(const Spent& spent) { before_interval_ += spent; }

 private:
  void scalar(const std::string& tag, int64_t step, double value);

  std::string folder_;
  LossUnit unit_;
  Device device_;  // whose memory is reported
  RunLog log_, timing_;
  std::unique_ptr<EventFile> events_;
  Console console_;
  nlohmann::ordered_json profiled_stages_ = nlohmann::ordered_json::array();
  std::shared_ptr<const Communicator> ranks_;
  Spent before_interval_;
  int64_t interval_tokens_ = 0;
  double interval_flops_ = 0;
  std::optional<double> peak_flops_;
};

}  // namespace lf
