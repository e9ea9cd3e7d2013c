#include "trainers/trainer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <utility>

#include "core/activity.h"
#include "core/choices.h"
#include "core/failpoint.h"
#include "core/kernels/convert.h"
#include "core/messages.h"
#include "core/operations.h"
#include "core/seconds.h"
#include "core/threads.h"
#include "trainers/measure/device_peaks.h"
#include "trainers/optimizer/schedule.h"
#include "trainers/ranks/same_run.h"
#include "trainers/ranks/shared_state.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/run/run_folder.h"
#include "trainers/tasks/device_notices.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/make_task.h"

namespace lf {
namespace {

constexpr const char* kWaiting = "wait for writing";  // the phase

bool every(int64_t interval, int64_t step) { return interval > 0 && step % interval == 0; }

}  // namespace

Trainer::Trainer(const RunConfig& config, const std::string& folder, bool resume,
                 std::shared_ptr<RunRequests> requests, std::shared_ptr<Communicator> ranks)
    : ranks_(std::move(ranks)),
      config_(agreed_config(*ranks_, config, folder, resume)),
      grid_(ranks_, static_cast<int>(config_.ranks.sequence)),
      folder_(all_or_none(*ranks_,
                          [&] { return writes() ? checked_run_folder(config_, folder, resume) : folder; })),
      task_(in_turn(*ranks_, [&] { return make_task(config_); })),
      stages_(all_or_none(*ranks_, [&] { return planned_stages(config_, *task_); })),
      optimizer_(task_->parameters(), config_.optimizer, task_->groups(config_.optimizer),
                 {ranks_->rank(), ranks_->size()}, config_.ranks.bucket_elements()),
      gradients_(grid_, task_->parameters(), optimizer_, config_.ranks.reduction),
      requests_(std::move(requests)),
      last_save_(seconds_now()) {
  all_or_none(*ranks_, [&] { check_enough_work(grid_, stages_); });
  check_same_data(*ranks_, config_, *task_);
  use_threads_of(*ranks_, config_.threads);
  all_or_none(*ranks_, [&] {
    if (writes()) {
      lock_.emplace(folder_);
      start_run_folder(config_, folder_, resume);
      writer_.emplace(folder_, *lock_, task_->parameters());
    }
    report_.emplace(writes() ? folder_ : std::string(), task_->unit(), device_of(config_),
                    peak_of(device_of(config_), compute_dtype(config_)), ranks_);
  });
  say_start();
  load_newest();
  all_or_none(*ranks_, [&] {
    if (!writes()) return;
    store_model(*task_, folder_);
    store_config(config_, folder_);
    if (config_.log.tensorboard) report_->start_events(state_.step + 1);
  });
}

void Trainer::say_start() const {
  if (!writes() && messages::rank() == ranks_->rank() && std::filesystem::is_directory(folder_))
    messages::also_into(text(folder_, "/messages.rank-", ranks_->rank(), ".log"));
  std::string where =
      text("longform ", LF_VERSION, " on ", name(device_of(config_)), ", ", num_threads(), " threads");
  if (ranks_->size() > 1)
    where += text(", rank ", ranks_->rank(), " of ", ranks_->size(), " on ", ranks_->host(ranks_->rank()));
  messages::detail(where);
  if (writes()) messages::warnings(task_->notices());
}

RunEnd Trainer::run() {
  requests_->begin();
  // A rollback needs something to return to, also before the first checkpoint that is due.
  if (config_.optimizer.non_finite.policy == NonFiniteChoice::rollback && state_.step == 0) save();
  if (state_.stage == std::ssize(stages_))
    messages::info(text(folder_, " has ended already: nothing is left to do"));
  while (state_.stage < static_cast<int64_t>(stages_.size())) {
    if (!run_stage()) {
      finish_saving();
      report_profile(state_.stage);
      messages::info(text("stopped by signal ", stop_signal_, " at step ", state_.step,
                          "; everything is saved: continue with --resume"));
      return RunEnd::stopped;
    }
  }
  return RunEnd::finished;
}

// Trains the current stage to its end; false when a signal stopped it, with everything saved.
bool Trainer::run_stage() {
  if (profiles_) profile_.emplace(device_of(config_));
  profiled_from_ = state_.step;
  begin_stage();
  while (!stage_done()) {
    if (writer_) writer_->poll();
    if (!state_.validation_due) {  // it is where a score was abandoned
      step_started_ = seconds_now();
      StepResult result = train_step();
      if (!accept(result)) continue;
      state_.stage_seconds += seconds_now() - step_started_;
      after_step(result);
    }
    const std::optional<bool> best = state_.validation_due ? validate() : false;
    if (best) save_if_due(*best);
    if (stop_wanted()) {
      save();
      return false;
    }
  }
  if (!end_stage()) return false;
  report_profile(state_.stage - 1);
  return !stop_wanted() || state_.stage == static_cast<int64_t>(stages_.size());
}

// Several ranks stop at the signal that they have agreed on.
bool Trainer::stop_wanted() {
  if (ranks_->size() == 1) stop_signal_ = requests_->stop_signal();
  return stop_signal_ != 0;
}

// Of the stage that ended or was stopped.
void Trainer::report_profile(int64_t stage_index) {
  if (!profile_) return;
  report_->profile(stage_index, stages_[static_cast<size_t>(stage_index)].name, profiled_from_ + 1,
                   state_.step, profile_->times());
  profile_.reset();
}

bool Trainer::stage_done() const {
  return (stage_.steps > 0 && state_.stage_step >= stage_.steps) ||
         (stage_.tokens > 0 && state_.stage_tokens >= stage_.tokens) || over_time_ ||
         (stage_.patience > 0 && state_.evaluations_without_improvement >= stage_.patience);
}

void Trainer::begin_stage() {
  stage_ = stages_[static_cast<size_t>(state_.stage)];
  waited_ = data_wait_seconds();
  over_time_ = stage_.minutes > 0 && state_.stage_seconds >= 60 * stage_.minutes;
  batches_.emplace(*task_, stage_, state_.stage_step * stage_.batch_size,
                   Rank{grid_.group(), grid_.groups()});
  report_->restart_interval();
  if (state_.stage_step == 0) report_->stage_start(state_, stage_);
}

// False when a signal stopped its scores.
bool Trainer::end_stage() {
  const bool last = state_.stage + 1 == static_cast<int64_t>(stages_.size());
  if (last) {
    task_->finish();
    task_->parameters().changed();
  }
  save();  // the scores below may take long; an interrupted one starts here again
  finish_saving();
  std::optional<Evaluation> validation, test;
  if (task_->has(Split::validation)) {
    validation = score(Split::validation, Effort::validation);
    if (!validation) return false;
    report_->score(Split::validation, state_, *validation);
  }
  if (task_->has(Split::test) && (config_.evaluation.after_each_stage || last)) {
    test = score(Split::test, Effort::report);
    if (!test) return false;
    report_->score(Split::test, state_, *test);
  }
  report_->stage_end(stage_name(), state_, validation ? &*validation : nullptr, test ? &*test : nullptr);
  const bool best = validation && at_least_as_good(*validation, state_.best_validation);
  if (best) state_.best_validation = validation->deciding().value;
  state_.stage += 1;
  state_.stage_step = state_.stage_tokens = state_.evaluations_without_improvement = 0;
  state_.stage_seconds = 0;
  state_.stage_best.reset();
  state_.interval_loss = state_.interval_weight = 0;
  save(best);
  finish_saving();
  return true;
}

// One update's gradient. What all micro-batches hold is known before the first is used, so that the loss is
// divided once by the weight of them all.
StepResult Trainer::train_step() {
  if (Activity* const activity = Activity::current()) activity->begin_step(state_.step + 1);
  Phase phase("data");
  const std::vector<Examples>& mine = batches_->next_update();
  phase.next("communication");
  StepResult result;
  std::vector<double> held;                           // weight and tokens of each
  const double counted = grid_.slice() == 0 ? 1 : 0;  // once for all slices
  for (const Examples& about : mine) {
    held.push_back(counted * about.weight);
    held.push_back(counted * static_cast<double>(about.tokens));
  }
  held = in_order(grid_, held, 2);
  for (size_t i = 0; i < held.size(); i += 2) {
    result.weight += held[i];
    result.tokens += static_cast<int64_t>(held[i + 1]);
  }
  phase.end();
  result.learning_rate = learning_rate(config_.schedule, stage_, state_.stage_step);
  const double factor = result.weight > 0 ? 1.0 / result.weight : 0.0;
  std::vector<Tensor> scalars;  // the micro-batches' losses and the gradients' squares
  const double asked = operations().model();
  const int64_t all = batches_->over_all_ranks();
  for (int64_t i = 0; i < gradients_.rounds(all); ++i) {
    gradients_.begin_round(i, all);
    if (i < std::ssize(mine)) {
      phase.next("data");
      const std::unique_ptr<TaskBatch> batch = batches_->next();
      phase.end();
      const Pass pass{.training = true,
                      .compute = compute_dtype(config_),
                      .seed = static_cast<uint64_t>(config_.seed),
                      .step = static_cast<uint64_t>(state_.micro_step + batches_->position(i)),
                      .sequence_ranks = grid_.sequence()};
      scalars.push_back(forward_backward(*task_, *batch, stage_, factor, pass));
    }
    gradients_.end_round(i, all);
  }
  result.flops = operations().model() - asked;
  gradients_.finish();
  scalars.push_back(gradients_.squared_norm());
  // Read only now, and at once: a step waits for a device here and nowhere else.
  std::vector<double> values = read_together(scalars);
  result.norm = std::sqrt(values.back());
  values.pop_back();
  // The failpoint stands for what bad data or hardware would do.
  if (failpoint("trainer.loss") && !values.empty()) values.front() = std::numeric_limits<double>::quiet_NaN();
  for (int64_t i = 0; i < std::ssize(mine); ++i)
    if (!std::isfinite(values[static_cast<size_t>(i)])) result.bad_micro_batches.push_back(i);
  phase.next("communication");
  for (const double part : in_order(grid_, values)) result.loss += part;
  agree(result);
  return result;
}

// Once a step: what one rank saw, all act on.
void Trainer::agree(StepResult& result) {
  const CheckpointSection& c = config_.checkpoint;
  const double now = seconds_now();
  const bool due = writes() && c.every_minutes > 0 && now - last_save_ >= 60 * c.every_minutes;
  const bool over_time =
      stage_.minutes > 0 && state_.stage_seconds + now - step_started_ >= 60 * stage_.minutes;
  const Agreement all = ranks_->agree({.finite = std::isfinite(result.loss) && std::isfinite(result.norm),
                                       .save = requests_->take_save() || due,
                                       .over_time = over_time,
                                       .signal = requests_->stop_signal()});
  result.finite = all.finite;
  save_agreed_ = save_agreed_ || all.save;
  over_time_ = all.over_time;
  stop_signal_ = all.signal;
}

// Applies a finite update; deals with one that is not, whose weights are never touched. False: go on with the
// next step of a state that was rolled back.
bool Trainer::accept(StepResult& result) {
  const bool known =
      std::find(state_.skipped.begin(), state_.skipped.end(), state_.step) != state_.skipped.end();
  if (result.finite && !known) {
    Phase phase("update");
    optimizer_.step(result.learning_rate, result.norm);
    phase.end();
    gradients_.share_parameters();
    return true;
  }
  const std::string where = text("step ", state_.step + 1, " (", stage_name(), "), ", blame(result));
  optimizer_.zero_gradients();
  result.applied = false;
  if (known) return true;
  finish_saving();
  const NonFiniteSection& policy = config_.optimizer.non_finite;
  const auto count = static_cast<int64_t>(state_.skipped.size());
  CHECK(policy.policy != NonFiniteChoice::stop && count < policy.limit, where,
        "; not finite, so nothing was updated",
        count ? text(", after ", count, " such steps") : std::string(),
        writes() && latest_checkpoint(folder_) ? text("; the last checkpoint in ", folder_, " is whole")
                                               : std::string(),
        ". Lower the learning rate, or see optimizer.non_finite");
  messages::info(text(where, "; not finite: ", choice_name(policy.policy)));
  const bool rolls_back = policy.policy == NonFiniteChoice::rollback;
  std::vector<int64_t> skipped = state_.skipped;
  skipped.push_back(state_.step);
  if (rolls_back) roll_back();
  state_.skipped = skipped;
  report_->not_finite(skipped.back() + 1, choice_name(policy.policy));
  return !rolls_back;
}

// What every rank knows of a step that is not finite, by the first of those that know something.
std::string Trainer::blame(const StepResult& result) const {
  const bool mine = !result.bad_micro_batches.empty();
  const std::vector<std::string> bad = ranks_->gather(mine ? suspects(result) : ""),
                                 gradients = ranks_->gather(first_bad_gradient());
  const auto known = [](const std::string& words) { return !words.empty(); };
  const auto rank = std::ranges::find_if(bad, known), gradient = std::ranges::find_if(gradients, known);
  std::string examples = rank == bad.end() ? suspects(result) : *rank;
  if (ranks_->size() > 1 && rank != bad.end()) {
    const auto index = static_cast<int>(rank - bad.begin());
    examples += text(" on rank ", index, " (", ranks_->host(index), ")");
  }
  return text(examples, ": loss ", result.loss / result.weight, ", gradient norm ", result.norm,
              gradient == gradients.end() ? std::string() : *gradient);
}

// The examples of the micro-batches whose loss is not finite, or of all where only gradients are not.
std::string Trainer::suspects(const StepResult& result) const {
  std::vector<int64_t> micro_batches = result.bad_micro_batches;
  if (micro_batches.empty()) {
    micro_batches.resize(batches_->mine().size());
    std::iota(micro_batches.begin(), micro_batches.end(), 0);
  }
  std::string list;
  for (const int64_t i : micro_batches) list += text(list.empty() ? "" : "; ", batches_->describe(i));
  return list;
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
  const int64_t log_bytes = report_->log_bytes(), rollbacks = state_.rollbacks + 1;
  load_newest();
  // The log keeps what led here up to the checkpoint only: the steps since then are done again.
  CHECK(!writes() || state_.log_bytes <= log_bytes, "the log is shorter than the checkpoint says");
  state_.rollbacks = rollbacks;
  begin_stage();
}

void Trainer::after_step(const StepResult& result) {
  state_.stage_step += 1;
  state_.step += 1;
  state_.micro_step += batches_->over_all_ranks();
  state_.tokens += result.tokens;
  state_.stage_tokens += result.tokens;
  if (result.applied) {
    state_.interval_loss += result.loss;
    state_.interval_weight += result.weight;
  }
  report_->count(result);
  if (const std::string compiled = compilation_notice(device_of(config_)); !compiled.empty())
    messages::info(compiled);
  report_->progress(stage_name(), state_, stage_, result);
  if (every(config_.log.every_steps, state_.stage_step) || stage_done()) log_step(result);
  state_.validation_due = every(config_.validation.every_steps, state_.stage_step) && !stage_done();
}

void Trainer::log_step(const StepResult& result) {
  report_->step(state_, result, data_wait_seconds());
  state_.interval_loss = state_.interval_weight = 0;
}

double Trainer::data_wait_seconds() const { return waited_ + (batches_ ? batches_->wait_seconds() : 0.0); }

// Nothing when a signal stopped it: a score may take hours, so it is abandoned and done again after the
// resume.
std::optional<Evaluation> Trainer::score(Split split, Effort effort) {
  const Phase phase("evaluate");
  if (stop_wanted()) return std::nullopt;
  struct Abandoned {};
  const Spent started = report_->spent();
  Spent saving;
  const auto between_batches = [&](int64_t done, int64_t total) {
    failpoint("trainer.evaluate");
    report_->live_progress(text(stage_name(), ' ', name(split)), done, total);
    const Agreement all = ranks_->agree({.save = requests_->take_save(), .signal = requests_->stop_signal()});
    save_agreed_ = save_agreed_ || all.save;
    stop_signal_ = all.signal;
    if (stop_signal_ != 0 && done < total) throw Abandoned();
    // At a stage's end a checkpoint of this step exists already.
    if (state_.validation_due && save_agreed_) {
      const Spent before = report_->spent();
      save();
      saving += report_->spent() - before;
    }
    return true;
  };
  try {
    Evaluation result = task_->evaluate(split, effort, stage_, grid_, between_batches);
    share_metrics(*ranks_, result);
    for (const Metric& metric : result.metrics) {
      CHECK(std::isfinite(metric.value), stage_name(), ", step ", state_.step, ": the ", name(split), ' ',
            metric.name, " is ", metric.value,
            ": the weights are of no use any more; lower the learning rate");
    }
    report_->leave_out(report_->spent() - started - saving);
    return result;
  } catch (const Abandoned&) {
    return std::nullopt;
  }
}

// Whether the weights are the run's best and to be kept; nothing when a signal stopped it.
std::optional<bool> Trainer::validate() {
  if (!task_->has(Split::validation)) {
    state_.validation_due = false;
    return false;
  }
  const std::optional<Evaluation> result = score(Split::validation, Effort::validation);
  if (!result) return std::nullopt;
  state_.validation_due = false;
  report_->score(Split::validation, state_, *result);
  messages::info(text(stage_name(), " step ", state_.stage_step, ": validation ", words(result->deciding())));
  const double value = result->deciding().value;
  const bool improved = improves(*result, state_.stage_best);
  state_.evaluations_without_improvement = improved ? 0 : state_.evaluations_without_improvement + 1;
  if (improved) state_.stage_best = value;
  const bool best = improves(*result, state_.best_validation);
  if (best) state_.best_validation = value;
  return best && config_.checkpoint.keep_best;
}

void Trainer::save_if_due(bool best) {
  if (best || every(config_.checkpoint.every_steps, state_.stage_step) || save_agreed_) save(best);
}

// Training waits for the copy that is written beside it, and before that for the end of the save before.
void Trainer::save(bool best) {
  const Phase phase("checkpoint");
  save_agreed_ = false;
  const Spent started = report_->spent();
  Phase part(kWaiting);
  if (writer_) writer_->wait();
  part.end();
  if (lock_) lock_->check_held();
  report_->store_lengths(state_);
  part.next("copy");
  OptimizerState of_rank_0;
  gather_state(*ranks_, optimizer_, writer_ ? writer_->optimizer() : of_rank_0);
  if (writer_) {
    const CheckpointSection& c = config_.checkpoint;
    writer_->values().copy_from(task_->parameters().values);
    writer_->start(state_.step, checkpoint_state(state_, config_, *task_, optimizer_.updates()),
                   {.keep_last = c.keep_last, .keep_best = c.keep_best, .is_best = best});
  }
  report_->flush_events();
  last_save_ = seconds_now();
  report_->leave_out(report_->spent() - started);
}

// Returns once every checkpoint so far is on the disk.
void Trainer::finish_saving() {
  const Phase phase("checkpoint"), waiting(kWaiting);
  if (writer_) writer_->wait();
}

void Trainer::load_newest() {
  OptimizerState whole;
  const bool found = all_or_none(*ranks_, [&] {
    if (!writes()) return false;
    lock_->check_held();
    restore_retired(folder_);
    std::vector<std::string> warnings;
    const std::optional<LoadedCheckpoint> checkpoint = newest_checkpoint(folder_, warnings);
    messages::warnings(warnings);
    const Tensor& values = task_->parameters().values;
    if (checkpoint)
      whole = load(*checkpoint);
    else if (ranks_->size() > 1)
      whole.first = whole.second = Tensor::zeros(values.shape(), values.dtype());
    return checkpoint.has_value();
  });
  if (ranks_->size() > 1 || found) share_state(*ranks_, task_->parameters(), state_, whole, optimizer_);
  report_->cut_to(state_);
  if (found) messages::info(text("continuing ", folder_, " from step ", state_.step));
}

// On rank 0: what the checkpoint has of the model and the run, and the optimizer's state.
OptimizerState Trainer::load(const LoadedCheckpoint& checkpoint) {
  check_same_run(checkpoint, config_, *task_);
  check_same_model(checkpoint, *task_);
  load_parameters(checkpoint, task_->parameters());
  state_ = run_state_from_json(checkpoint.state.at("run"));
  return load_optimizer(checkpoint, task_->parameters());
}

std::string Trainer::stage_name() const { return text("stage ", state_.stage + 1, "/", stages_.size()); }

}  // namespace lf
