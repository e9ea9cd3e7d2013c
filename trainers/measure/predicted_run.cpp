#include "trainers/measure/predicted_run.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>

#include "core/kernels/convert.h"
#include "core/operations.h"
#include "core/seconds.h"
#include "trainers/tasks/evaluation.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"

namespace lf {
namespace {

// Kernels are timed for so long in all.
constexpr double kTimingSeconds = 20;
// So many micro-batches of an update stand for all.
constexpr size_t kMicroBatches = 4;
// So many updates are searched for the largest micro-batch, and so many at most show how micro-batches
// differ: where they do, so do the blocks of memory that are kept for them. When this many in a row need no
// further block, only the largest is tried.
constexpr int64_t kUpdatesSearched = 2000, kUpdatesTried = 64;
constexpr int kEnoughInARow = 8;

// Micro-batches that decide how much memory the stage needs.
struct TellingMicroBatches {
  std::vector<ExampleRange> first;  // one of each of the first updates, in their order
  ExampleRange largest = {};        // of the first epoch, as far as that is searched
};

TellingMicroBatches telling_micro_batches(const Task& task, const Stage& stage) {
  // A stage that says when it ends may see less than an epoch.
  const int64_t most = stage.steps > 0 ? std::min(stage.steps, kUpdatesSearched) : kUpdatesSearched;
  const double examples =
      static_cast<double>(task.examples(stage)) * (stage.epochs > 0 ? std::min(stage.epochs, 1.0) : 1.0);
  const int64_t updates =
      std::max<int64_t>(1, std::min(static_cast<int64_t>(examples) / stage.batch_size, most));
  TellingMicroBatches telling;
  int64_t longest = -1;
  for (int64_t update = 0; update < updates; ++update) {
    const std::vector<ExampleRange> ranges = micro_batches_of(task, stage, update * stage.batch_size);
    if (update < kUpdatesTried) telling.first.push_back(ranges.back());
    for (const ExampleRange& range : ranges) {
      const int64_t tokens = tokens_of(task, stage, range);
      if (tokens <= longest) continue;
      longest = tokens;
      telling.largest = range;
    }
  }
  return telling;
}

}  // namespace

// Since it was made: the time of the kernels that were asked for, and of everything between them.
struct PredictedRun::Elapsed {
  explicit Elapsed(const Plan& plan)
      : plan_(plan),
        kernels_(plan.kernel_seconds()),
        timing_(plan.timing_seconds()),
        started_(seconds_now()) {}
  double seconds() const {
    const double between = seconds_now() - started_ - (plan_.timing_seconds() - timing_);
    return plan_.kernel_seconds() - kernels_ + between;
  }

 private:
  const Plan& plan_;
  double kernels_, timing_, started_;
};

PredictedRun::PredictedRun(const RunConfig& config, bool timed)
    : config_(config),
      timed_(timed),
      started_(static_cast<double>(std::clock()) / CLOCKS_PER_SEC),
      costs_(timed ? measure_costs() : MachineCosts()),
      plan_(device_of(config), timed ? kTimingSeconds : 0),
      slices_(std::make_shared<ImaginedRanks>(static_cast<int>(config.ranks.sequence))),
      grid_(slices_, slices_->size()) {
  const Elapsed opening(plan_);
  task_ = make_task(config_);
  stages_ = planned_stages(config_, *task_);
  optimizer_ =
      std::make_unique<Optimizer>(task_->parameters(), config_.optimizer, task_->groups(config_.optimizer));
  const Tensor& values = task_->parameters().values;
  // Of the values and both moments. It is in CPU memory always.
  if (plan_.imitated() == Device::cpu)
    for (int i = 0; i < 3; ++i) copy_.push_back(Tensor::like(values));
  if (config_.ranks.reduction == ReductionChoice::ordered) total_ = Tensor::zeros_like(values);
  opening_seconds_ = started_ + opening.seconds();
  for (const PackedParameter& p : task_->parameters().parameters) parameters_ += p.shape.elements();
}

StagePrediction PredictedRun::next_stage() {
  const Stage& stage = stages_.at(next_);
  const Update one = update(stage);
  StagePrediction prediction{.update_flops = one.flops,
                             .computing_seconds = one.computing,
                             .updating_seconds = one.updating,
                             .slice_exchanges = one.slice_exchanges,
                             .slice_bytes = one.slice_bytes};
  prediction.seconds = stage_seconds(stage, one.seconds(), next_ + 1 == stages_.size());
  prediction.memory_bytes = memory_bytes();
  prediction.disk_bytes = disk_bytes(stage);
  const int64_t touched = plan_.pool()->use().touched;
  prediction.seconds += static_cast<double>(touched - touched_) * costs_.first_touch;
  if (next_ == 0) prediction.seconds += opening_seconds_;
  if (!timed_) prediction.seconds = std::numeric_limits<double>::infinity();
  touched_ = touched;
  ++next_;
  return prediction;
}

// As the loop makes it in Trainer::train_step() and accept(), but that a few micro-batches stand for all.
PredictedRun::Update PredictedRun::update(const Stage& stage) {
  std::vector<ExampleRange> ranges = micro_batches_of(*task_, stage, 0);
  const double share =
      static_cast<double>(ranges.size()) / static_cast<double>(std::min(ranges.size(), kMicroBatches));
  ranges.resize(std::min(ranges.size(), kMicroBatches));
  std::vector<Tensor> scalars;
  const auto run = [&](const ExampleRange& range, uint64_t step) {
    const std::unique_ptr<TaskBatch> batch = task_->read(stage, range);
    const Pass pass{.training = true,
                    .compute = compute_dtype(config_),
                    .seed = static_cast<uint64_t>(config_.seed),
                    .step = step,
                    .sequence_ranks = grid_.sequence()};
    const Elapsed elapsed(plan_);  // batches are read while the loop trains
    scalars.push_back(forward_backward(*task_, *batch, stage, 1.0, pass));
    return elapsed.seconds();
  };
  const TellingMicroBatches telling = telling_micro_batches(*task_, stage);
  int in_a_row = 0;
  for (const ExampleRange& range : telling.first) {
    const int64_t before = plan_.pool()->use().touched;
    run(range, 0);
    in_a_row = plan_.pool()->use().touched == before ? in_a_row + 1 : 0;
    scalars.clear();
    if (in_a_row == kEnoughInARow) break;
  }
  run(telling.largest, 0);
  scalars.clear();
  Update result;
  const double asked = operations().model();
  const int64_t exchanges = slices_->exchanges(), bytes = slices_->bytes_sent();
  for (size_t i = 0; i < ranges.size(); ++i) result.computing += share * run(ranges[i], i);
  result.flops = share * (operations().model() - asked);
  result.slice_exchanges = share * static_cast<double>(slices_->exchanges() - exchanges);
  result.slice_bytes = share * static_cast<double>(slices_->bytes_sent() - bytes);
  const Elapsed elapsed(plan_);
  scalars.push_back(optimizer_->squared_gradient_norm());
  const double norm = std::sqrt(read_together(scalars).back());
  optimizer_->step(stage.learning_rate, norm);
  result.updating = elapsed.seconds();
  return result;
}

// The first batch of each part of the score stands for all.
double PredictedRun::score_seconds(Split split, Effort effort, const Stage& stage) {
  if (!task_->has(split)) return 0;
  const Elapsed elapsed(plan_);
  double seconds = 0, before = 0;
  task_->evaluate(split, effort, stage, grid_, [&](int64_t done, int64_t total) {
    const double now = elapsed.seconds();
    seconds += (now - before) * static_cast<double>(total) / static_cast<double>(done);
    before = now;
    return false;
  });
  return seconds + elapsed.seconds() - before;
}

// Updates, scores and checkpoints, every validation being taken for the best so far.
double PredictedRun::stage_seconds(const Stage& stage, double update, bool is_last) {
  const double validation = score_seconds(Split::validation, Effort::validation, stage);
  if (is_last) task_->finish();
  const bool tests = config_.evaluation.after_each_stage || is_last;
  const double test = tests ? score_seconds(Split::test, Effort::report, stage) : 0;
  const auto steps = static_cast<double>(planned_steps(stage));
  double training = steps > 0 ? steps * update : std::numeric_limits<double>::infinity();
  if (stage.minutes > 0) training = std::min(training, 60 * stage.minutes);
  const auto times = [&](int64_t interval) {
    return interval > 0 ? std::floor(training / update / static_cast<double>(interval)) : 0;
  };
  const CheckpointSection& c = config_.checkpoint;
  const double validations = task_->has(Split::validation) ? times(config_.validation.every_steps) : 0;
  const double seconds = training + (validations + 1) * validation + test;
  double saves = 2 + times(c.every_steps) + (c.keep_best ? validations : 0);  // two at the stage's end
  if (c.every_minutes > 0 && std::isfinite(seconds)) saves += std::floor(seconds / 60 / c.every_minutes);
  return seconds + saves * save_seconds();
}

// A checkpoint has the values and both moments.
double PredictedRun::save_seconds() const {
  return costs_.save + 12 * static_cast<double>(parameters_) * costs_.save_byte;
}

std::unique_ptr<Optimizer> PredictedRun::optimizer_of(Rank rank) {
  const int64_t bucket = config_.ranks.bucket_elements();
  return std::make_unique<Optimizer>(task_->parameters(), config_.optimizer, task_->groups(config_.optimizer),
                                     rank, bucket);
}

int64_t PredictedRun::copy_bytes() const {
  int64_t bytes = 0;
  for (const Tensor& part : copy_) bytes += part.bytes();
  return bytes;
}

int64_t PredictedRun::memory_bytes() const {
  const MemoryUse use = plan_.pool()->use();
  if (plan_.imitated() != Device::cpu) return use.live + use.cached;
  // What this process has beside tensors a run's process has too: program, libraries, threads, mapped files.
  const int64_t others = least_resident_bytes() - memory_use(Device::cpu).touched;
  return use.touched + use.scratch_peak + others;
}

int64_t PredictedRun::disk_bytes(const Stage& stage) const {
  const CheckpointSection& c = config_.checkpoint;
  const double kept = static_cast<double>(c.keep_last) + (c.keep_best ? 1 : 0) + 1;
  const auto lines = static_cast<double>(planned_steps(stage)) / static_cast<double>(config_.log.every_steps);
  // A logged step has a line in two logs and an event.
  return static_cast<int64_t>(12 * static_cast<double>(parameters_) * kept + 500 * lines);
}

}  // namespace lf
