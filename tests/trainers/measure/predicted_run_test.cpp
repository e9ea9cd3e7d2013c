// What `check` predicts, against runs of the loop itself.
#include "trainers/measure/predicted_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/files.h"
#include "core/operations.h"
#include "core/storage.h"
#include "data/characters/corpus.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "trainers/config/load.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

constexpr const char* kConfig = R"(
data: {path: FOLDER/corpus}
model: {layers: 2, width: 64, heads: 4, feed_forward: 128, dropout: 0.1}
stages:
  list:
    - {name: a, sequence_length: 256, windows: 32, learning_rate: 0.001, batch_size: 4, micro_batch: 2, steps: 2}
    - {name: b, sequence_length: 384, windows: 64, learning_rate: 0.001, batch_size: 2, micro_batch: 2, steps: 2}
validation: {every_steps: 1, tokens: 2000}
evaluation: {sequence_length: 512, step: 256}
log: {tensorboard: false}
)";

class Predicted : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "raw") << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 60000);
    CorpusRequest request;
    request.source = folder_ / "raw";
    request.kind = CorpusKind::bytes;
    request.folder = folder_ / "corpus";
    prepare_corpus(request);
  }

  RunConfig config(const std::vector<std::string>& overrides) {
    return parse_run_config(with(kConfig, "FOLDER", folder_.path()), "test", overrides);
  }

  static StagePrediction last_stage(const RunConfig& c, bool timed = false) {
    PredictedRun run(c, timed);
    StagePrediction last;
    for (size_t i = 0; i < run.stages().size(); ++i) last = run.next_stage();
    return last;
  }

  // The whole run, as its process would be: without cached blocks at first. Where micro-batches differ it
  // meets others than those that were planned.
  void expect_memory(const RunConfig& c, bool batches_differ = false) {
    const auto predict = [&] {
      PredictedRun run(c, false);
      for (size_t i = 0; i < run.stages().size(); ++i) run.next_stage();
      return run.tensors();
    };
    const MemoryUse predicted = predict();
    release_cached_memory(Device::cpu);
    reset_peak_memory(Device::cpu);
    const MemoryUse before = memory_use(Device::cpu);
    EXPECT_EQ(Trainer(c, folder_ / text("run", runs_++), false).run(), RunEnd::finished);
    const MemoryUse used = memory_use(Device::cpu);
    if (batches_differ) {
      EXPECT_NEAR(static_cast<double>(predicted.peak) / static_cast<double>(used.peak - before.live), 1,
                  0.05);
    } else {
      EXPECT_EQ(predicted.peak, used.peak - before.live);
      EXPECT_EQ(predicted.scratch_peak, used.scratch_peak);
    }
    // Targets differ in number from batch to batch, and with them the blocks that are kept for reuse.
    EXPECT_NEAR(static_cast<double>(predicted.touched) / static_cast<double>(used.touched - before.touched),
                1, batches_differ ? 0.1 : 0.05);
  }

  TemporaryFolder folder_;
  int runs_ = 0;
};

TEST_F(Predicted, MemoryIsTheRuns) { expect_memory(config({})); }
TEST_F(Predicted, MemoryWithRecomputation) { expect_memory(config({"stages.list.0.recompute=true"})); }
TEST_F(Predicted, MemoryInBf16) { expect_memory(config({"precision=bf16"})); }
TEST_F(Predicted, MemoryWhereScoringIsMost) {
  expect_memory(config({"stages.list.1.sequence_length=16", "stages.list.1.windows=8",
                        "evaluation.sequence_length=2900", "evaluation.step=64"}));
}
TEST_F(Predicted, MemoryOfTheCompositionsSlow) {
  for (const char* name : {"chunks", "loop", "full"})
    expect_memory(config({text("attention.implementation=", name)}));
}

TEST_F(Predicted, MemoryOfAMaskedLanguageModel) {
  std::filesystem::create_directories(folder_ / "masked");
  write_tiny_task(folder_ / "masked", 20000);
  for (const char* stage : {"micro_batch: 2", "micro_batch: 1, recompute: true"}) {
    expect_memory(
        parse_run_config(text("task: masked_lm\ndata: {path: ", folder_ / "masked/corpus",
                              "}\nmasked_lm: {model: ", folder_ / "masked/model",
                              "}\nstages: {list: [{name: a, learning_rate: 0.003, batch_size: 2, ",
                              "sequence_length: 40, steps: 2, ", stage, "}]}\nvalidation: {tokens: 200}\n"),
                         "test"),
        true);
  }
}

TEST_F(Predicted, FlopsAreTheRuns) {
  const RunConfig c = config({"stages.count=1"});
  const StagePrediction predicted = last_stage(c);
  const Operations before = operations();
  const std::unique_ptr<Task> task = make_task(c);
  const Stage stage = planned_stages(c, *task).front();
  for (const ExampleRange& range : micro_batches_of(*task, stage, 0))
    forward_backward(*task, *task->read(stage, range), stage, 1, {.training = true, .seed = 1});
  EXPECT_DOUBLE_EQ(predicted.update_flops, operations().model() - before.model());
  EXPECT_GT(predicted.update_flops, 0);
}

// More of everything costs more of everything it should.
TEST_F(Predicted, FollowsTheConfiguration) {
  const StagePrediction base = last_stage(config({}), true);
  EXPECT_TRUE(std::isfinite(base.seconds));
  EXPECT_GT(base.seconds, 0);
  EXPECT_GT(last_stage(config({"stages.list.1.steps=400"}), true).seconds, 5 * base.seconds);
  EXPECT_GT(last_stage(config({"stages.list.1.sequence_length=2048"})).memory_bytes, base.memory_bytes);
  EXPECT_GT(last_stage(config({"checkpoint.keep_last=5"})).disk_bytes, 1.5 * double(base.disk_bytes));
  const std::string many = "stages.list.1.steps=100000", every = "validation.every_steps=0";
  EXPECT_LT(last_stage(config({many, every, "stages.list.1.minutes=0.001"}), true).seconds,
            0.1 * last_stage(config({many, every}), true).seconds);
}

TEST_F(Predicted, PatienceAloneHasNoEnd) {
  EXPECT_TRUE(
      std::isinf(last_stage(config({"stages.list.1.steps=0", "stages.list.1.patience=2"}), true).seconds));
}

TEST_F(Predicted, NothingIsTimedThatWasNotAskedFor) {
  EXPECT_TRUE(std::isinf(last_stage(config({})).seconds));
}

}  // namespace
}  // namespace lf
