// What `check` predicts, against what one update of the same stage takes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "core/files.h"
#include "core/format.h"
#include "core/storage.h"
#include "data/characters/corpus.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "trainers/config/load.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/tasks/char_lm_estimate.h"
#include "trainers/tasks/char_lm_model.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"

namespace lf {
namespace {

constexpr const char* kConfig = R"(
data: {path: FOLDER}
model: {layers: 4, width: 128, heads: 4, feed_forward: 512, dropout: 0.1}
stages:
  list:
    - {name: a, sequence_length: 1024, windows: 64,
       learning_rate: 0.001, batch_size: 2, micro_batch: 2, steps: 10}
evaluation: {sequence_length: 512, step: 256}
)";

class Estimate : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "raw") << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 60000);
    CorpusRequest request;
    request.source = folder_ / "raw";
    request.kind = CorpusKind::kBytes;
    request.folder = folder_ / "corpus";
    prepare_corpus(request);
  }

  RunConfig config(const std::vector<std::string>& overrides) {
    std::string yaml = kConfig;
    yaml.replace(yaml.find("FOLDER"), 6, folder_ / "corpus");
    return parse_run_config(yaml, "test", overrides);
  }

  // Counts only: the rates decide no memory.
  StageEstimate estimate(const RunConfig& c, const MachineRates& rates = {1e10, 1e10}) {
    const CorpusFiles corpus = open_corpus_files(c.data);
    return estimate_stage(c, char_lm_shape(c, corpus.train->vocabulary_size()), resolved_stages(c).front(),
                          {corpus.validation->count(), corpus.test->count()}, rates);
  }

  // The peak of all tensors in one update and the scores at the stage's end.
  int64_t measured_bytes(const RunConfig& c) {
    const int64_t before = memory_use(Device::cpu).live;
    reset_peak_memory(Device::cpu);
    const auto task = make_task(c);
    Optimizer optimizer(task->parameters(), c.optimizer);
    const Stage stage = resolved_stages(c).front();
    const Pass pass{.training = true, .compute = compute_dtype(c), .seed = 1, .step = 1};
    for (const ExampleRange& range : micro_batches_of(*task, stage, 0))
      forward_backward(*task, *task->read(stage, range), stage, 1, pass);
    optimizer.step(stage.learning_rate, optimizer.gradient_norm());
    task->evaluate(Split::test, Effort::report, stage, {});
    return memory_use(Device::cpu).peak - before;
  }

  void expect_memory(const std::vector<std::string>& overrides, double tolerance = 0.25) {
    const RunConfig c = config(overrides);
    const auto predicted = static_cast<double>(estimate(c).memory_bytes);
    const auto measured = static_cast<double>(measured_bytes(c));
    EXPECT_NEAR(predicted / measured, 1, tolerance)
        << ::testing::PrintToString(overrides) << ": predicted " << format_bytes(predicted) << ", measured "
        << format_bytes(measured);
  }

  TemporaryFolder folder_;
};

TEST_F(Estimate, MemoryOfAnUpdate) { expect_memory({}); }
TEST_F(Estimate, MemoryWithRecomputation) { expect_memory({"stages.list.0.recompute=true"}); }
TEST_F(Estimate, MemoryInBf16) { expect_memory({"precision=bf16"}); }
TEST_F(Estimate, MemoryInBf16WithRecomputation) {
  expect_memory({"precision=bf16", "stages.list.0.recompute=true"});
}
TEST_F(Estimate, MemoryWithoutDropoutAndPositions) {
  expect_memory({"model.dropout=0", "model.relative_positions=false"});
}
TEST_F(Estimate, MemoryOfWideWindowsAndOneRow) {
  expect_memory({"stages.list.0.windows=1000", "stages.list.0.micro_batch=1"});
}
TEST_F(Estimate, MemoryWhereParametersAreMost) {
  expect_memory({"stages.list.0.sequence_length=16", "stages.list.0.windows=8",
                 "evaluation.sequence_length=16", "evaluation.step=16"});
}
TEST_F(Estimate, MemoryWhereScoringIsMost) {
  expect_memory({"stages.list.0.sequence_length=16", "stages.list.0.windows=8",
                 "evaluation.sequence_length=2900", "evaluation.step=64"});
}
TEST_F(Estimate, MemoryOfTheCompositions) {
  for (const char* name : {"chunks", "loop", "full"})
    expect_memory({text("attention.implementation=", name), "stages.list.0.micro_batch=1"}, 0.35);
}

// More of everything costs more of everything it should.
TEST_F(Estimate, FollowsTheConfiguration) {
  const StageEstimate base = estimate(config({}));
  const StageEstimate longer = estimate(config({"stages.list.0.steps=20"}));
  EXPECT_EQ(longer.memory_bytes, base.memory_bytes);
  EXPECT_GT(longer.seconds, 1.3 * base.seconds);
  EXPECT_GT(estimate(config({"stages.list.0.sequence_length=2048"})).memory_bytes, base.memory_bytes);
  EXPECT_LT(estimate(config({"stages.list.0.recompute=true"})).memory_bytes, base.memory_bytes);
  EXPECT_GT(estimate(config({"stages.list.0.recompute=true"})).seconds, base.seconds);
  EXPECT_GT(estimate(config({"checkpoint.keep_last=5"})).disk_bytes, 1.5 * double(base.disk_bytes));
  EXPECT_LE(estimate(config({"stages.list.0.minutes=0.001", "evaluation.after_each_stage=false"})).seconds,
            base.seconds);
}

// Validation and test sequences that are longer than the splits, or than training, are counted as they run.
TEST_F(Estimate, ScoringIsBoundedByTheSplits) {
  const StageEstimate whole = estimate(config({"evaluation.sequence_length=3000", "evaluation.step=3000"}));
  const StageEstimate beyond =
      estimate(config({"evaluation.sequence_length=1000000", "evaluation.step=3000"}));
  EXPECT_EQ(whole.memory_bytes, beyond.memory_bytes);
  EXPECT_NEAR(whole.seconds / beyond.seconds, 1, 1e-9);
  const StageEstimate validation = estimate(config({"validation.sequence_length=1000000"}));
  EXPECT_TRUE(std::isfinite(validation.seconds));
  EXPECT_LT(validation.memory_bytes, 4 * whole.memory_bytes);
}

TEST_F(Estimate, PatienceAloneHasNoEnd) {
  EXPECT_TRUE(std::isinf(
      estimate(config({"stages.list.0.steps=0", "stages.list.0.patience=2", "validation.every_steps=1"}))
          .seconds));
}

TEST_F(Estimate, RatesAreMeasured) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const MachineRates rates = measure_rates(dtype);
    EXPECT_GT(rates.product_flops, 1e8);
    EXPECT_GT(rates.attention_flops, 1e7);
  }
}

}  // namespace
}  // namespace lf
