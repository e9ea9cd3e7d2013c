// Contradictions between keys with the exact line that reports them, and the stages a configuration stands
// for.
#include "trainers/config/load.h"
#include "trainers/config/stages.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "tests/temporary_folder.h"
#include "tests/trainers/config/config_errors.h"

namespace lf {
namespace {

// One stage of three layers on line 4; `more` goes into it.
std::string one_stage(const std::string& more, const std::string& other = "") {
  return other +
         "model: {layers: 3}\nstages:\n  list:\n    - {sequence_length: 64, windows: 8, learning_rate: 0.1" +
         (more.empty() ? "" : ", " + more) + "}\n";
}

TEST(ConfigContradictions, Sections) {
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1", "data: {split: [0.9, 0.05, 0.06]}\n")),
            "run.yaml:1:8: data.split: the fractions sum to 1.01, not 1");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1", "evaluation: {step: 9, sequence_length: 8}\n")),
            "run.yaml:1:14: evaluation.step: 9 is longer than evaluation.sequence_length 8");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1", "validation: {step: 9, sequence_length: 8}\n")),
            "run.yaml:1:14: validation.step: 9 is longer than validation.sequence_length 8");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1", "validation: {step: 65}\n")),
            "run.yaml:1:14: validation.step: 65 is longer than the sequences of stage1 (64), which "
            "validation.sequence_length 0 uses");
  EXPECT_EQ(stage_errors_of(one_stage("minutes: 1", "schedule: {kind: cosine}\n")),
            "run.yaml:1:12: schedule.kind: cosine needs the length of every stage in steps, tokens or "
            "epochs, and stage1 has none of them");
  EXPECT_EQ(stage_errors_of(one_stage("tokens: 1", "schedule: {kind: cosine}\n")), "");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1"), {"model.width=333", "model.heads=3"}),
            "--set model.width=333: model.width: must be even for relative positions (sines and cosines), "
            "found 333");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1"), {"model.heads=3", "model.head_width=10"}), "");
}

TEST(ConfigContradictions, Stages) {
  EXPECT_EQ(stage_errors_of(""), "run.yaml:1:1: stages.list: at least one stage is needed");
  EXPECT_EQ(stage_errors_of(one_stage("")),
            "run.yaml:4:7: stages.list.0.steps: the stage never ends; give steps, tokens, epochs, minutes or "
            "patience");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 0, tokens: 0")),
            "run.yaml:4:61: stages.list.0.steps: the stage never ends; give steps, tokens, epochs, minutes "
            "or patience");
  EXPECT_EQ(stage_errors_of(one_stage("patience: 2")),
            "run.yaml:4:61: stages.list.0.patience: counts validations, but validation.every_steps is 0");
  EXPECT_EQ(stage_errors_of(one_stage("patience: 2", "validation: {every_steps: 5}\n")), "");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1, dilation: [1, 2]")),
            "run.yaml:4:71: stages.list.0.dilation: has 2 numbers, but model.layers is 3; give one number or "
            "one per "
            "layer");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1, dilated_heads: 9")),
            "run.yaml:4:71: stages.list.0.dilated_heads: 9 heads are dilated, but model.heads is 8");
  EXPECT_EQ(
      stage_errors_of(one_stage("steps: 1, batch_size: 6, micro_batch: 4")),
      "run.yaml:4:86: stages.list.0.micro_batch: micro-batches of 4 sequences do not divide batch_size 6");
  EXPECT_EQ(
      stage_errors_of(
          one_stage("steps: 1, name: phase2, dilation: [1, 1, 2]", "attention: {implementation: chunks}\n")),
      "run.yaml:5:85: stages.list.0.dilation: attention.implementation chunks cannot dilate, but phase2 has "
      "dilation 2 in layer 2 (counted from 0); use fused, loop or full");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1, dilation: 2, dilated_heads: 0",
                                      "attention: {implementation: chunks}\n")),
            "");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1"), {"model.heads=1"}), "");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1, dilation: 2"), {"model.heads=1"}),
            "run.yaml:4:7: stages.list.0.dilated_heads: 2 heads are dilated, but model.heads is 1");
}

TEST(ConfigContradictions, ListsOfStages) {
  EXPECT_EQ(
      stage_errors_of(one_stage("steps: 1, name: a") + "    - {steps: 2, name: a}\n"),
      "run.yaml:5:7: stages.list.1.sequence_length: is missing; with stages.doubling.enabled: true it would "
      "be "
      "generated\n"
      "run.yaml:5:7: stages.list.1.windows: is missing; with stages.doubling.enabled: true it would be "
      "generated\n"
      "run.yaml:5:7: stages.list.1.learning_rate: is missing; with stages.doubling.enabled: true it would be "
      "generated\n"
      "run.yaml:5:18: stages.list.1.name: a is also the name of stage 1");
  EXPECT_EQ(stage_errors_of("stages:\n  doubling: {enabled: true}\n  list:\n    - steps: 1\n"),
            "run.yaml:4:7: stages.list.0.sequence_length: is missing; the first stage gives it\n"
            "run.yaml:4:7: stages.list.0.windows: is missing; the first stage gives it\n"
            "run.yaml:4:7: stages.list.0.learning_rate: is missing; the first stage gives it");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1") + "  count: 3\n"),
            "run.yaml:5:3: stages.count: asks for 3 stages, but stages.list has 1; add stages, or set "
            "stages.doubling.enabled: true");
  EXPECT_EQ(stage_errors_of(one_stage("steps: 1, batch_size: 3") +
                            "    - {minutes: 0}\n  doubling: {enabled: true}\n"),
            "run.yaml:5:7: stages.list.1.steps: the stage never ends; give steps, tokens, epochs, minutes or "
            "patience");
}

TEST(Stages, DoublingFillsInWhatIsLeftOut) {
  const RunConfig config = parse(
      "model: {layers: 3}\nstages:\n  count: 4\n"
      "  doubling: {enabled: true, max_sequence_length: 300, max_window: 50, learning_rate_factor: 0.25}\n  "
      "list:\n"
      "    - {sequence_length: 64, windows: [8, 16, 40], dilation: [1, 1, 2], dilated_heads: 1, "
      "learning_rate: 0.1, "
      "batch_size: 6, steps: 10, tokens: 99, patience: 1, recompute: true}\n"
      "    - {windows: 20, minutes: 3, batch_size: 4, name: middle}\n    - {dilation: 1}\nvalidation: "
      "{every_steps: "
      "5}\n");
  const std::vector<Stage> stages = resolved_stages(config);
  ASSERT_EQ(stages.size(), 4u);
  const auto stage = [](int64_t index, std::string name, int64_t length, std::vector<int64_t> windows,
                        std::vector<int64_t> dilation, double rate, int64_t batch, int64_t steps,
                        int64_t tokens, double minutes) {
    Stage result;
    result.index = index;
    result.name = std::move(name);
    result.sequence_length = length;
    result.windows = std::move(windows);
    result.dilation = std::move(dilation);
    result.dilated_heads = 1;
    result.learning_rate = rate;
    result.batch_size = result.micro_batch = batch;
    result.steps = steps;
    result.tokens = tokens;
    result.minutes = minutes;
    result.patience = 1;
    result.recompute = true;
    return result;
  };
  EXPECT_EQ(stages[0], stage(0, "stage1", 64, {8, 16, 40}, {1, 1, 2}, 0.1, 6, 10, 99, 0));
  EXPECT_EQ(stages[1], stage(1, "middle", 128, {20, 20, 20}, {1, 1, 2}, 0.025, 4, 0, 0, 3));
  EXPECT_EQ(stages[2], stage(2, "stage3", 256, {40, 40, 40}, {1, 1, 1}, 0.00625, 4, 0, 0, 3));
  EXPECT_EQ(stages[3], stage(3, "stage4", 300, {50, 50, 50}, {1, 1, 1}, 0.0015625, 4, 0, 0, 3));
}

TEST(Stages, GeneratedWindowsDoNotExceedTheSequence) {
  const RunConfig config = parse(
      "model: {layers: 2}\nstages:\n  count: 2\n  doubling: {enabled: true, max_sequence_length: 20}\n  "
      "list:\n"
      "    - {sequence_length: 16, windows: [4, 15], learning_rate: 1, steps: 1}\n");
  EXPECT_EQ(resolved_stages(config)[1].sequence_length, 20);
  EXPECT_EQ(resolved_stages(config)[1].windows, (std::vector<int64_t>{8, 20}));
}

TEST(Stages, WithoutDoublingOnlyDefaultsAreFilledIn) {
  const RunConfig config =
      parse(one_stage("steps: 7, batch_size: 6, micro_batch: 2, dilation: 3, recompute: true") +
            "    - {sequence_length: 32, windows: [1, 2, 3], learning_rate: 0.5, tokens: 5}\n");
  const std::vector<Stage> stages = resolved_stages(config);
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].micro_batch, 2);
  EXPECT_EQ(stages[0].windows, (std::vector<int64_t>{8, 8, 8}));
  Stage expected;
  expected.index = 1;
  expected.name = "stage2";
  expected.sequence_length = 32;
  expected.windows = {1, 2, 3};
  expected.dilation = {1, 1, 1};
  expected.dilated_heads = 2;
  expected.learning_rate = 0.5;
  expected.batch_size = expected.micro_batch = 16;
  expected.tokens = 5;
  EXPECT_EQ(stages[1], expected);
}

TEST(Stages, CountTakesTheFirstStages) {
  const std::string second = "    - {sequence_length: 32, windows: 2, learning_rate: 0.5, tokens: 5}\n";
  EXPECT_EQ(resolved_stages(parse(one_stage("steps: 1") + second)).size(), 2u);
  EXPECT_EQ(resolved_stages(parse(one_stage("steps: 1") + second + "  count: 1\n")).size(), 1u);
}

TEST(Stages, PlannedAndWarmUpSteps) {
  Stage stage;
  stage.batch_size = 4;
  stage.sequence_length = 10;
  EXPECT_EQ(planned_steps(stage), 0);
  stage.tokens = 81;
  EXPECT_EQ(planned_steps(stage), 3);
  stage.steps = 2;
  EXPECT_EQ(planned_steps(stage), 2);
  stage.tokens = 0;
  stage.steps = 430000;
  EXPECT_EQ(planned_steps(stage), 430000);
  EXPECT_EQ(warmup_steps({}, stage), 10000);
  stage.steps = 35000;
  EXPECT_EQ(warmup_steps({}, stage), 3500);
  EXPECT_EQ(warmup_steps({.warmup_steps = 20}, stage), 20);
}

}  // namespace
}  // namespace lf
