#include "trainers/report/run_report.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/files.h"
#include "core/messages.h"
#include "core/seconds.h"
#include "core/storage.h"
#include "trainers/report/profile_table.h"
#include "trainers/run/run_folder.h"
#include "trainers/tasks/evaluation.h"

namespace lf {
namespace {

using nlohmann::ordered_json;

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double seconds_left(const RunState& state, const Stage& stage, int64_t total_steps) {
  double left = Progress::kUnknown;
  if (total_steps > 0) {
    left = static_cast<double>(total_steps - state.stage_step) * state.stage_seconds /
           static_cast<double>(state.stage_step);
  }
  if (stage.minutes > 0) left = std::fmin(left, 60 * stage.minutes - state.stage_seconds);
  return left;
}

}  // namespace

Spent& Spent::operator+=(const Spent& other) {
  seconds += other.seconds, bytes_sent += other.bytes_sent;
  exchange_seconds += other.exchange_seconds, exchange_wait_seconds += other.exchange_wait_seconds;
  return *this;
}

Spent Spent::operator-(const Spent& other) const {
  return {seconds - other.seconds, bytes_sent - other.bytes_sent, exchange_seconds - other.exchange_seconds,
          exchange_wait_seconds - other.exchange_wait_seconds};
}

RunReport::RunReport(const std::string& folder, LossUnit unit, Device device, std::optional<double> peak,
                     std::shared_ptr<const Communicator> ranks)
    : folder_(folder),
      unit_(std::move(unit)),
      device_(device),
      log_(folder.empty() ? RunLog() : RunLog(folder + "/" + kRunLogName)),
      timing_(folder.empty() ? RunLog() : RunLog(folder + "/" + kTimingLogName)),
      ranks_(std::move(ranks)),
      before_interval_(spent()),
      peak_flops_(peak) {
  if (!folder.empty()) messages::also_into(folder + "/" + kMessagesName);
}

void RunReport::start_events(int64_t next_step) {
  create_folders(folder_ + "/events");
  events_ = std::make_unique<EventFile>(folder_ + "/events", wall_time(), next_step);
}

void RunReport::store_lengths(RunState& state) {
  log_.sync();
  timing_.sync();
  state.log_bytes = log_.bytes();
  state.timing_bytes = timing_.bytes();
}

void RunReport::cut_to(const RunState& state) {
  log_.truncate_to(state.log_bytes);
  try {
    timing_.truncate_to(state.timing_bytes);
  } catch (const Error& error) {  // nothing is computed from it, so it cannot stop a run
    messages::warning(text(error.what(), "; timings of the steps until now may be missing or doubled"));
  }
}

void RunReport::flush_events() {
  if (events_) events_->flush();
}

void RunReport::stage_start(const RunState& state, const Stage& stage) {
  ordered_json record = {{"event", "stage_start"},
                         {"step", state.step},
                         {"stage", state.stage + 1},
                         {"name", stage.name},
                         {"sequence_length", stage.sequence_length}};
  if (!stage.windows.empty()) {  // a pretrained model has its own
    record["windows"] = stage.windows;
    record["dilation"] = stage.dilation;
  }
  record["learning_rate"] = stage.learning_rate;
  record["batch_size"] = stage.batch_size;
  log_.write(record);
}

void RunReport::stage_end(const std::string& stage_name, const RunState& state, const Evaluation* validation,
                          const Evaluation* test) {
  ordered_json record = {
      {"event", "stage_end"}, {"step", state.step}, {"stage", state.stage + 1}, {"tokens", state.tokens}};
  std::string line = stage_name + ":";
  if (validation) {
    const Metric& metric = validation->deciding();
    record["validation_" + metric.name] = metric.value;
    line += " validation " + words(metric);
  }
  if (test) {
    const Metric& metric = test->deciding();
    record["test_" + metric.name] = metric.value;
    line += text(validation ? ", test " : " test ", words(metric), " (", metric.count, ' ', unit_.name, "s; ",
                 words(test->protocol), ')');
  }
  log_.write(record);
  if (validation || test) messages::info(line);
  flush_events();
}

void RunReport::score(Split split, const RunState& state, const Evaluation& result) {
  const std::string event = name(split);
  ordered_json record = {
      {"event", event}, {"step", state.step}, {"stage", state.stage + 1}, {"tokens", state.tokens}};
  for (const Metric& metric : result.metrics) {
    if (!metric.logged) continue;
    record[metric.name] = metric.value;
    scalar(text(event, '/', metric.name), state.step, metric.value);
  }
  // "tokens" are those trained on so far.
  if (const std::string counted = unit_.name + "s"; !record.contains(counted))
    record[counted] = result.deciding().count;
  record["protocol"] = result.protocol;
  log_.write(record);
}

void RunReport::not_finite(int64_t step, const std::string& policy) {
  log_.write({{"event", "not_finite"}, {"step", step}, {"policy", policy}});
}

void RunReport::step(const RunState& state, const StepResult& result, double data_wait_seconds) {
  // Without a target since the last log there is no loss.
  const bool has_loss = state.interval_weight > 0;
  const double loss = state.interval_loss / state.interval_weight;
  const auto known = [&](double value) { return has_loss ? ordered_json(value) : ordered_json(); };
  ordered_json record = {{"event", "step"},
                         {"step", state.step},
                         {"stage", state.stage + 1},
                         {"tokens", state.tokens},
                         {"loss", known(loss)}};
  if (unit_.is_bits) record[unit_.bits_key()] = known(loss / std::numbers::ln2);
  record["learning_rate"] = result.learning_rate;
  record["gradient_norm"] = result.norm;
  log_.write(record);
  const Spent interval = spent() - before_interval_;
  const double seconds = interval.seconds;
  const double rate = static_cast<double>(interval_tokens_) / seconds;
  const double flops = interval_flops_ / seconds;
  ordered_json timing = {{"step", state.step},
                         {"seconds", seconds},
                         {"tokens_per_second", rate},
                         {"tflops", flops / 1e12},
                         {"mfu", peak_flops_ ? ordered_json(flops / *peak_flops_) : ordered_json()},
                         {"data_wait_seconds", data_wait_seconds},
                         {"memory_bytes", memory_use(device_).peak}};
  if (ranks_->size() > 1) {
    timing["bytes_sent"] = interval.bytes_sent;
    timing["exchange_seconds"] = interval.exchange_seconds;
    timing["exchange_wait_seconds"] = interval.exchange_wait_seconds;
  }
  timing_.write(timing);
  if (has_loss && unit_.is_bits) scalar("train/" + unit_.bits_key(), state.step, loss / std::numbers::ln2);
  if (has_loss && !unit_.is_bits) scalar("train/loss", state.step, loss);
  scalar("train/learning_rate", state.step, result.learning_rate);
  scalar("train/gradient_norm", state.step, result.norm);
  scalar("train/tokens_per_second", state.step, rate);
  scalar("train/tflops", state.step, flops / 1e12);
  if (peak_flops_) scalar("train/mfu", state.step, flops / *peak_flops_);
  restart_interval();
}

void RunReport::progress(const std::string& stage_name, const RunState& state, const Stage& stage,
                         const StepResult& result) {
  const double loss = result.weight > 0 ? result.loss / result.weight : Progress::kUnknown;
  Progress progress;
  progress.stage = stage_name;
  progress.step = state.stage_step;
  progress.total_steps = planned_steps(stage);
  progress.loss = loss;
  if (unit_.is_bits) progress.bits = loss / std::numbers::ln2;
  progress.bits_name = unit_.name == "character" ? "bpc" : "bits/" + unit_.name;
  progress.learning_rate = result.learning_rate;
  progress.tokens_per_second = static_cast<double>(state.stage_tokens) / std::max(state.stage_seconds, 1e-9);
  progress.memory_bytes = memory_use(device_).peak;
  progress.seconds_left = seconds_left(state, stage, progress.total_steps);
  console_.progress(progress);
}

void RunReport::live_progress(const std::string& what, int64_t done, int64_t total) {
  if (!console_.live()) return;
  Progress progress;
  progress.stage = what;
  progress.step = done;
  progress.total_steps = total;
  console_.progress(progress);
}

void RunReport::restart_interval() {
  before_interval_ = spent();
  interval_tokens_ = 0;
  interval_flops_ = 0;
}

Spent RunReport::spent() const {
  return {seconds_now(), ranks_->bytes_sent(), ranks_->busy_seconds(), ranks_->waited_seconds()};
}

void RunReport::profile(int64_t stage_index, const std::string& stage_name, int64_t first_step,
                        int64_t last_step, const PhaseTime& all) {
  messages::info(text("where the time of stage \"", stage_name, "\" went, steps ", first_step, " to ",
                      last_step, " (", name(device_), "):"));
  for (const std::string& line : profile_table(all)) messages::info("  " + line);
  ordered_json record = {
      {"stage", stage_index + 1}, {"name", stage_name}, {"first_step", first_step}, {"last_step", last_step}};
  record.update(profile_json(all));
  profiled_stages_.push_back(std::move(record));
  if (folder_.empty()) return;
  write_file_atomically(
      folder_ + "/" + kProfileName,
      ordered_json({{"device", name(device_)}, {"stages", profiled_stages_}}).dump(2) + "\n");
}

void RunReport::scalar(const std::string& tag, int64_t step, double value) {
  if (events_) events_->scalar(tag, step, value, wall_time());
}

}  // namespace lf
