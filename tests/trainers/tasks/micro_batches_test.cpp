// Reading ahead: the same examples for any ranks and interruption, a few batches held, errors where they
// belong.
#include "trainers/tasks/micro_batches.h"
#include "trainers/tasks/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "tests/testing.h"

namespace lf {
namespace {

// Example n has n % 7 + 1 tokens and as many targets.
class CountingTask : public Task {
 public:
  ParameterBlock& parameters() override { return block_; }
  std::string data_hash() const override { return ""; }
  void check_stage(const Stage&) const override {}
  int64_t examples(const Stage&) const override { return 100; }
  int64_t tokens(const Stage&, int64_t example) const override { return example % 7 + 1; }
  std::unique_ptr<TaskBatch> read(const Stage& stage, ExampleRange range) const override {
    ++reads;
    CHECK(range.first + range.count <= broken_from, "example ", broken_from, " is broken");
    auto batch = std::make_unique<TaskBatch>();
    batch->about = about(stage, range);
    return batch;
  }
  Examples about(const Stage& stage, ExampleRange range) const override {
    Examples result;
    for (int64_t i = range.first; i < range.first + range.count; ++i) {
      result.ids.push_back(i);
      result.tokens += tokens(stage, i);
    }
    result.weight = static_cast<double>(result.tokens);
    return result;
  }
  Var loss(const TaskBatch&, const Stage&, const Pass&) override { return {}; }
  LossUnit unit() const override { return {"document", false}; }
  bool has(Split) const override { return false; }
  Evaluation evaluate(Split, Effort, const Stage&, const RankGrid&, const ScoreProgress&) override {
    return {};
  }

  mutable std::atomic<int64_t> reads = 0;
  int64_t broken_from = 1'000'000;

 private:
  ParameterBlock block_;
};

Stage stage_of(int64_t batch_size, int64_t micro_batch, int64_t budget = 0) {
  Stage stage;
  stage.batch_size = batch_size;
  stage.micro_batch = micro_batch;
  stage.micro_batch_tokens = budget;
  return stage;
}

// The ids of `updates` updates, as one rank reads them.
std::vector<int64_t> read_ids(MicroBatches& batches, int64_t updates) {
  std::vector<int64_t> ids;
  for (int64_t u = 0; u < updates; ++u) {
    const size_t count = batches.next_update().size();
    for (size_t i = 0; i < count; ++i) {
      const auto batch = batches.next();
      EXPECT_EQ(batch->about.ids, batches.mine()[i].ids);
      ids.insert(ids.end(), batch->about.ids.begin(), batch->about.ids.end());
    }
  }
  return ids;
}

std::vector<int64_t> numbers(int64_t begin, int64_t end) {
  std::vector<int64_t> result(static_cast<size_t>(end - begin));
  std::iota(result.begin(), result.end(), begin);
  return result;
}

TEST(MicroBatches, ReadTheSameExamplesForAnyRanksAndInterruption) {
  const CountingTask task;
  for (const int64_t budget : {0, 9}) {
    const Stage stage = stage_of(12, 4, budget);
    MicroBatches whole(task, stage, 0);
    EXPECT_EQ(read_ids(whole, 5), numbers(0, 60));
    MicroBatches resumed(task, stage, 36);
    EXPECT_EQ(read_ids(resumed, 2), numbers(36, 60));
    std::vector<int64_t> together;
    for (int64_t rank = 0; rank < 3; ++rank) {
      MicroBatches part(task, stage, 0, {rank, 3});
      const std::vector<int64_t> ids = read_ids(part, 5);
      together.insert(together.end(), ids.begin(), ids.end());
    }
    std::sort(together.begin(), together.end());
    EXPECT_EQ(together, numbers(0, 60));
  }
}

TEST(MicroBatches, KeepWithinCountAndTokens) {
  const CountingTask task;
  const auto ranges = micro_batches_of(task, stage_of(14, 4, 9), 0);
  int64_t next = 0;
  for (const ExampleRange& range : ranges) {
    EXPECT_EQ(range.first, next);
    next += range.count;
    const int64_t tokens = task.about({}, range).tokens;
    EXPECT_TRUE(range.count == 1 || (range.count <= 4 && tokens <= 9)) << range.first << ' ' << tokens;
  }
  EXPECT_EQ(next, 14);
  EXPECT_EQ(ranges.front().count, 3);  // 1 + 2 + 3 tokens, and the next has 4
  EXPECT_EQ(micro_batches_of(task, stage_of(14, 4), 0).size(), 4u);
  EXPECT_EQ(micro_batches_of(task, stage_of(3, 3, 1), 4).size(), 3u);  // each longer than the budget
}

TEST(MicroBatches, NeverHoldAllOfALargeUpdate) {
  const CountingTask task;
  MicroBatches batches(task, stage_of(100, 1), 0);
  EXPECT_EQ(batches.next_update().size(), 100u);  // known, though not read
  for (int64_t taken = 0; taken < 20; ++taken) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_LE(task.reads, taken + static_cast<int64_t>(MicroBatches::kMostAhead));
    batches.next();
  }
  EXPECT_EQ(batches.describe(3), "examples 3");
  EXPECT_GT(task.reads, 20);
}

TEST(MicroBatches, AnErrorIsThrownOnceItsBatchIsAskedForAndNothingIsSkipped) {
  CountingTask task;
  task.broken_from = 10;
  MicroBatches batches(task, stage_of(8, 4), 0);
  EXPECT_EQ(read_ids(batches, 1), numbers(0, 8));
  for (int again = 0; again < 2; ++again) EXPECT_ERROR_TEXT(batches.next_update(), "example 10 is broken");
  MicroBatches large(task, stage_of(100, 1), 0);
  large.next_update();
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(large.next()->about.ids, std::vector<int64_t>{i});
  EXPECT_ERROR_TEXT(large.next(), "example 10 is broken");
}

TEST(MicroBatches, CanBeLeftAtAnyMoment) {
  const CountingTask task;
  for (int i = 0; i < 50; ++i) {
    MicroBatches batches(task, stage_of(100, 1), 0, {i % 2, 2});
    if (i % 3 == 0) batches.next_update();
  }
  // A rank without a micro-batch in an update must not run ahead without end.
  MicroBatches idle(task, stage_of(4, 4), 0, {1, 2});
  EXPECT_TRUE(idle.next_update().empty());
  EXPECT_EQ(idle.over_all_ranks(), 1);
}

TEST(PlannedStages, EpochsBecomeSteps) {
  const CountingTask task;
  RunConfig config;
  config.stages.list.resize(1);
  StageEntry& entry = config.stages.list.front();
  entry.sequence_length = 8;
  entry.windows = PerLayer{{4}};
  entry.learning_rate = 0.1;
  entry.batch_size.given = 32;
  entry.epochs.given = 3;
  EXPECT_EQ(planned_stages(config, task).front().steps, 10);  // 300 examples, the last update ends them
  entry.steps.given = 7;
  EXPECT_EQ(planned_stages(config, task).front().steps, 7);
  entry.patience.given = 2;
  EXPECT_ERROR_TEXT(planned_stages(config, task), "the data have no validation split");
}

}  // namespace
}  // namespace lf
