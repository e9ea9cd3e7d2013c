#include "trainers/trainer.h"

#include <omp.h>

#include <chrono>
#include <cmath>
#include <numbers>

#include "core/failpoint.h"
#include "core/files.h"
#include "trainers/run_folder.h"
#include "trainers/schedule.h"

namespace lf {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool every(int64_t interval, int64_t step) { return interval > 0 && step % interval == 0; }

// The task, with every stage's need of data known to be met: a last stage must not fail after days.
std::unique_ptr<Task> open_task(const RunConfig& config, const std::vector<Stage>& stages,
                                const Communicator& communicator) {
  std::unique_ptr<Task> task = make_task(config, communicator);
  for (const Stage& stage : stages) task->check_stage(stage);
  return task;
}

}  // namespace

Trainer::Trainer(const RunConfig& config, const std::string& folder, bool resume)
    : config_(config),
      folder_(checked_run_folder(config, folder, resume)),
      stages_(resolved_stages(config)),
      communicator_(alone()),
      task_(open_task(config, stages_, *communicator_)),
      optimizer_(task_->parameters(), config.optimizer),
      lock_(start_run_folder(config, folder)),
      log_(folder + "/" + kRunLogName),
      timing_(folder + "/" + kTimingLogName),
      run_started_(seconds_now()),
      interval_started_(run_started_),
      last_save_(run_started_) {
  if (config.threads > 0) omp_set_num_threads(static_cast<int>(config.threads));
  load_newest();
  if (config.log.tensorboard) {
    create_folders(folder + "/events");
    events_ = std::make_unique<EventFile>(folder + "/events", wall_time(), state_.step + 1);
  }
}

RunEnd Trainer::run() {
  while (state_.stage < static_cast<int64_t>(stages_.size())) {
    if (!run_stage()) {
      save();
      console_.message(text("stopped by signal ", signals_.stop_signal(), " at step ", state_.step,
                            "; everything is saved: continue with --resume"));
      return RunEnd::stopped;
    }
  }
  return RunEnd::finished;
}

// Trains the current stage to its end; false when a signal stopped it.
bool Trainer::run_stage() {
  begin_stage();
  while (!stage_done()) {
    const double started = seconds_now();
    StepResult result = train_step();
    if (!accept(result)) continue;
    state_.stage_seconds += seconds_now() - started;
    after_step(result);
    if (signals_.stop_signal()) return false;
  }
  end_stage();
  return signals_.stop_signal() == 0 || state_.stage == static_cast<int64_t>(stages_.size());
}

bool Trainer::stage_done() const {
  return (stage_.steps > 0 && state_.stage_step >= stage_.steps) ||
         (stage_.tokens > 0 && state_.stage_tokens >= stage_.tokens) ||
         (stage_.minutes > 0 && state_.stage_seconds >= 60 * stage_.minutes) ||
         (stage_.patience > 0 && state_.evaluations_without_improvement >= stage_.patience);
}

void Trainer::begin_stage() {
  stage_ = stages_[static_cast<size_t>(state_.stage)];
  task_->begin_stage(stage_, state_.stage, state_.stage_step * stage_.batch_size);
  interval_started_ = seconds_now();
  interval_tokens_ = 0;
  if (state_.stage_step > 0) return;
  log_.write({{"event", "stage_start"},
              {"step", state_.step},
              {"stage", state_.stage + 1},
              {"name", stage_.name},
              {"sequence_length", stage_.sequence_length},
              {"windows", stage_.windows},
              {"dilation", stage_.dilation},
              {"learning_rate", stage_.learning_rate},
              {"batch_size", stage_.batch_size}});
}

void Trainer::end_stage() {
  save();  // the scores below may take long; an interrupted one starts here again
  const Score validation = score(Split::validation, validation_protocol(), "validation");
  log_score("validation", validation, validation_protocol());
  nlohmann::ordered_json record = {{"event", "stage_end"},
                                   {"step", state_.step},
                                   {"stage", state_.stage + 1},
                                   {"tokens", state_.tokens},
                                   {"validation_bits_per_character", validation.bits()}};
  const bool last = state_.stage + 1 == static_cast<int64_t>(stages_.size());
  if (config_.evaluation.after_each_stage || last) {
    const Protocol protocol = test_protocol(config_);
    const Score test = score(Split::test, protocol, "test");
    log_score("test", test, protocol);
    record["test_bits_per_character"] = test.bits();
    console_.message(text(stage_name(), ": test ", test.bits(), " bits per character (", test.targets,
                          " characters, sequences of ", protocol.sequence_length, ", step ", protocol.step,
                          "), validation ", validation.bits()));
  } else {
    console_.message(text(stage_name(), ": validation ", validation.bits(), " bits per character"));
  }
  log_.write(record);
  if (events_) events_->flush();
  const bool best = validation.bits() <= state_.best_validation;
  state_.best_validation = std::min(state_.best_validation, validation.bits());
  state_.stage += 1;
  state_.stage_step = state_.stage_tokens = state_.evaluations_without_improvement = 0;
  state_.stage_seconds = 0;
  state_.stage_best = std::numeric_limits<double>::infinity();
  state_.interval_nats = 0;
  state_.interval_targets = 0;
  save(best);
}

// One update's gradient: all micro-batches are read first, so that the loss is divided once by all targets.
Trainer::StepResult Trainer::train_step() {
  std::vector<double> totals{static_cast<double>(task_->fetch()), 0.0};
  communicator_->sum(totals);
  StepResult result;
  result.targets = static_cast<int64_t>(totals[0]);
  result.learning_rate = learning_rate(config_.schedule, stage_, state_.stage_step);
  const int64_t ranks = communicator_->size();
  std::vector<double> nats{0.0};
  for (int64_t i = 0; i < task_->micro_batches(); ++i) {
    const auto step = static_cast<uint64_t>(state_.micro_step + i * ranks + communicator_->rank());
    nats[0] += task_->forward_backward(i, 1.0 / static_cast<double>(result.targets), step);
  }
  communicator_->sum(task_->parameters().gradients);
  communicator_->sum(nats);
  // The failpoint stands for what bad data or hardware would do.
  result.nats = failpoint("trainer.loss") ? std::numeric_limits<double>::quiet_NaN() : nats[0];
  result.norm = optimizer_.gradient_norm();
  return result;
}

// Applies a finite update; deals with one that is not, whose weights are never touched. False: go on with the
// next step of a state that was rolled back.
bool Trainer::accept(StepResult& result) {
  const bool finite = std::isfinite(result.nats) && std::isfinite(result.norm);
  const bool all_finite = communicator_->maximum(finite ? 0 : 1) == 0;
  const bool known =
      std::find(state_.skipped.begin(), state_.skipped.end(), state_.step) != state_.skipped.end();
  if (all_finite && !known) {
    optimizer_.step(result.learning_rate, result.norm);
    return true;
  }
  const std::string where = text("step ", state_.step + 1, " (", stage_name(), "), ", task_->describe(0),
                                 ": loss ", result.nats / static_cast<double>(result.targets),
                                 ", gradient norm ", result.norm, first_bad_gradient());
  optimizer_.zero_gradients();
  result.applied = false;
  if (known) return true;
  const NonFiniteSection& policy = config_.optimizer.non_finite;
  const auto count = static_cast<int64_t>(state_.skipped.size());
  CHECK(policy.policy != NonFiniteChoice::stop && count < policy.limit, where,
        "; not finite, so nothing was updated",
        count ? text(", after ", count, " such steps") : std::string(), "; the last checkpoint in ", folder_,
        " is whole. Lower the learning rate, or see optimizer.non_finite");
  console_.message(text(where, "; not finite: ", choice_name(policy.policy)));
  const bool rolls_back = policy.policy == NonFiniteChoice::rollback;
  std::vector<int64_t> skipped = state_.skipped;
  skipped.push_back(state_.step);
  if (rolls_back) roll_back();
  state_.skipped = skipped;
  log_.write({{"event", "not_finite"}, {"step", skipped.back() + 1}, {"policy", choice_name(policy.policy)}});
  return !rolls_back;
}

// ", first in layers.3.attention.qkv.weight": the first parameter whose gradient is not finite.
std::string Trainer::first_bad_gradient() const {
  const ParameterBlock& block = task_->parameters();
  for (const PackedParameter& p : block.parameters) {
    for (const double g : block.gradient(p).to_doubles()) {
      if (!std::isfinite(g)) return text(", first in ", p.name);
    }
  }
  return "";
}

void Trainer::roll_back() {
  const int64_t log_bytes = log_.bytes(), rollbacks = state_.rollbacks + 1;
  load_newest();
  // The log keeps what led here up to the checkpoint only: the steps since then are done again.
  CHECK(state_.log_bytes <= log_bytes, "the log is shorter than the checkpoint says");
  state_.rollbacks = rollbacks;
  begin_stage();
}

void Trainer::after_step(const StepResult& result) {
  state_.stage_step += 1;
  state_.step += 1;
  state_.micro_step += stage_.accumulation();
  state_.tokens += result.targets;
  state_.stage_tokens += result.targets;
  if (result.applied) {
    state_.interval_nats += result.nats;
    state_.interval_targets += result.targets;
  }
  interval_tokens_ += result.targets;
  show_progress(result);
  if (every(config_.log.every_steps, state_.stage_step) || stage_done()) log_step(result);
  if (every(config_.validation.every_steps, state_.stage_step) && !stage_done()) validate();
  save_if_due();
}

void Trainer::log_step(const StepResult& result) {
  const double loss = state_.interval_nats / static_cast<double>(state_.interval_targets);
  log_.write({{"event", "step"},
              {"step", state_.step},
              {"stage", state_.stage + 1},
              {"tokens", state_.tokens},
              {"loss", loss},
              {"bits_per_character", loss / std::numbers::ln2},
              {"learning_rate", result.learning_rate},
              {"gradient_norm", result.norm}});
  const double now = seconds_now(), seconds = now - interval_started_;
  timing_.write({{"step", state_.step},
                 {"seconds", seconds},
                 {"tokens_per_second", static_cast<double>(interval_tokens_) / seconds},
                 {"data_wait_seconds", task_->data_wait_seconds()},
                 {"memory_bytes", memory_use(Device::cpu).peak}});
  scalar("train/bits_per_character", loss / std::numbers::ln2);
  scalar("train/learning_rate", result.learning_rate);
  scalar("train/gradient_norm", result.norm);
  scalar("train/tokens_per_second", static_cast<double>(interval_tokens_) / seconds);
  state_.interval_nats = 0;
  state_.interval_targets = 0;
  interval_started_ = now;
  interval_tokens_ = 0;
}

void Trainer::show_progress(const StepResult& result) {
  const double loss = result.nats / static_cast<double>(result.targets);
  const double rate = static_cast<double>(state_.stage_tokens) / std::max(state_.stage_seconds, 1e-9);
  Progress progress;
  progress.stage = stage_name();
  progress.step = state_.stage_step;
  progress.total_steps = planned_steps(stage_);
  progress.loss = loss;
  progress.bits_per_character = loss / std::numbers::ln2;
  progress.learning_rate = result.learning_rate;
  progress.tokens_per_second = rate;
  progress.memory_bytes = memory_use(Device::cpu).peak;
  double left = Progress::kUnknown;
  if (progress.total_steps > 0) {
    left = static_cast<double>(progress.total_steps - state_.stage_step) * state_.stage_seconds /
           static_cast<double>(state_.stage_step);
  }
  if (stage_.minutes > 0) left = std::fmin(left, 60 * stage_.minutes - state_.stage_seconds);
  progress.seconds_left = left;
  console_.progress(progress);
}

Protocol Trainer::validation_protocol() const { return lf::validation_protocol(config_, stage_); }

Score Trainer::score(Split split, const Protocol& protocol, const char* what) {
  return task_->evaluate(split, protocol, [&](int64_t done, int64_t total) {
    Progress progress;
    progress.stage = text(stage_name(), ' ', what);
    progress.step = done;
    progress.total_steps = total;
    if (console_.live()) console_.progress(progress);
  });
}

void Trainer::validate() {
  const double paused = seconds_now();
  const Score result = score(Split::validation, validation_protocol(), "validation");
  log_score("validation", result, validation_protocol());
  console_.message(
      text(stage_name(), " step ", state_.stage_step, ": validation ", result.bits(), " bits per character"));
  const bool improved = result.bits() < state_.stage_best;
  state_.evaluations_without_improvement = improved ? 0 : state_.evaluations_without_improvement + 1;
  state_.stage_best = std::min(state_.stage_best, result.bits());
  interval_started_ += seconds_now() - paused;  // the rate is that of training
  if (result.bits() < state_.best_validation) {
    state_.best_validation = result.bits();
    if (config_.checkpoint.keep_best) save(true);
  }
}

void Trainer::log_score(const char* event, const Score& result, const Protocol& protocol) {
  log_.write({{"event", event},
              {"step", state_.step},
              {"stage", state_.stage + 1},
              {"tokens", state_.tokens},
              {"bits_per_character", result.bits()},
              {"loss", result.mean()},
              {"characters", result.targets},
              {"protocol", {{"sequence_length", protocol.sequence_length}, {"step", protocol.step}}}});
  scalar(text(event, "/bits_per_character"), result.bits());
}

void Trainer::scalar(const std::string& tag, double value) {
  if (events_) events_->scalar(tag, state_.step, value, wall_time());
}

void Trainer::save_if_due() {
  const CheckpointSection& c = config_.checkpoint;
  const bool time = c.every_minutes > 0 && seconds_now() - last_save_ >= 60 * c.every_minutes;
  if (every(c.every_steps, state_.stage_step) || time || signals_.take_save_request()) save();
}

void Trainer::save(bool best) {
  log_.sync();
  timing_.sync();
  state_.log_bytes = log_.bytes();
  state_.timing_bytes = timing_.bytes();
  const double started = seconds_now();
  const SavedCheckpoint saved = save_run(folder_, state_, config_, task_->parameters(), optimizer_, best);
  for (const std::string& warning : saved.warnings) console_.message("warning: " + warning);
  if (events_) events_->flush();
  last_save_ = seconds_now();
  interval_started_ += last_save_ - started;
}

void Trainer::load_newest() {
  std::vector<std::string> warnings;
  std::optional<LoadedCheckpoint> checkpoint = newest_checkpoint(folder_, warnings);
  for (const std::string& warning : warnings) console_.message("warning: " + warning);
  if (!checkpoint) {
    log_.truncate_to(0);
    timing_.truncate_to(0);
    return;
  }
  load_parameters(*checkpoint, task_->parameters());
  load_optimizer(*checkpoint, task_->parameters(), optimizer_);
  state_ = run_state_from_json(checkpoint->state.at("run"));
  log_.truncate_to(state_.log_bytes);
  timing_.truncate_to(state_.timing_bytes);
  console_.message(text("continuing ", folder_, " from step ", state_.step));
}

std::string Trainer::stage_name() const { return text("stage ", state_.stage + 1, "/", stages_.size()); }

}  // namespace lf
