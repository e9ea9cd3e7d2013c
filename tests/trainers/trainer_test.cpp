// The training loop in this process: how stages end, what is logged, non-finite steps, evaluation and its
// protocol.
#include "trainers/trainer.h"
#include "trainers/config/load.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "core/failpoint.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "trainers/optimizer/schedule.h"
#include "trainers/run/opened_model.h"
#include "trainers/tasks/char_lm_task.h"

namespace lf {
namespace {

class TrainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 30000);
  }
  void TearDown() override {
    ::unsetenv("LF_FAILPOINT");
    read_failpoint_environment();
  }

  // A tiny run; `stage` is its only stage's ending, `more` further sections.
  RunConfig config(const std::string& stage, const std::string& more = "") {
    return parse_run_config(
        "data: {path: " + (folder_ / "corpus.txt") +
            "}\n"
            "model: {layers: 2, width: 32, heads: 2, feed_forward: 64, dropout: 0.1}\n"
            "schedule: {warmup_steps: 2}\n"
            "stages: {list: [{name: a, sequence_length: 64, windows: 8, learning_rate: 0.003, "
            "batch_size: 2, " +
            stage +
            "}]}\n"
            "evaluation: {sequence_length: 256, step: 64}\n"
            "log: {every_steps: 1}\n" +
            more,
        "test.yaml");
  }
  void train(const RunConfig& c, const std::string& name, bool resume = false) {
    EXPECT_EQ(Trainer(c, folder_ / name, resume).run(), RunEnd::finished);
  }
  std::vector<nlohmann::json> events(const std::string& run, const std::string& event) {
    std::vector<nlohmann::json> found;
    for (const LogRecord& record : read_run_log(folder_ / (run + "/log.jsonl"))) {
      if (record.fields.at("event") == event) found.push_back(record.fields);
    }
    return found;
  }
  void arm(const char* setting) {
    ::setenv("LF_FAILPOINT", setting, 1);
    read_failpoint_environment();
  }

  TemporaryFolder folder_;
};

TEST_F(TrainerTest, LossFallsAndEveryStepIsLoggedOnce) {
  train(config("steps: 40", "checkpoint: {every_steps: 0}\n"), "run");
  const auto steps = events("run", "step");
  ASSERT_EQ(steps.size(), 40u);
  for (size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i].at("step"), i + 1);
  EXPECT_LT(steps.back().at("loss").get<double>(), 0.8 * steps.front().at("loss").get<double>());
  EXPECT_EQ(events("run", "stage_end").size(), 1u);
  EXPECT_EQ(events("run", "test").size(), 1u);
}

TEST_F(TrainerTest, StageEndsByTokens) {
  train(config("tokens: 1000"), "run");
  EXPECT_EQ(events("run", "step").back().at("tokens"), 1024);  // 128 a step: the first multiple from 1,000 on
}

TEST_F(TrainerTest, StageEndsWhenValidationStopsImproving) {
  RunConfig c = config("steps: 1000, patience: 2", "validation: {every_steps: 2, tokens: 300}\n");
  c.stages.list[0].learning_rate = 1e-12;  // nothing is learned, so rounding decides and patience soon ends
  train(c, "run");
  EXPECT_LT(events("run", "step").size(), 200u);
  EXPECT_GE(events("run", "validation").size(), 3u);
}

TEST_F(TrainerTest, AccumulationGivesTheSameUpdates) {
  train(config("steps: 5"), "whole");
  train(config("steps: 5, micro_batch: 1"), "parts");
  // Dropout draws per micro-batch, so without it the two agree to rounding.
  RunConfig whole = config("steps: 5"), parts = config("steps: 5, micro_batch: 1");
  whole.model.dropout = parts.model.dropout = 0;
  train(whole, "whole-plain");
  train(parts, "parts-plain");
  const auto a = events("whole-plain", "step"), b = events("parts-plain", "step");
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i].at("loss").get<double>(), b[i].at("loss").get<double>(), 1e-5);
  }
}

TEST_F(TrainerTest, RefusesAFolderThatHoldsARunAndAChangedConfiguration) {
  train(config("steps: 2"), "run");
  EXPECT_THROW(Trainer(config("steps: 2"), folder_ / "run", false), UsageError);
  try {
    Trainer(config("steps: 3"), folder_ / "run", true);
    FAIL() << "a changed configuration was accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("steps"), std::string::npos) << error.what();
  }
  train(config("steps: 2", "checkpoint: {keep_last: 5}\n"), "run",
        true);  // may change; the run is already finished
}

// What a kill leaves behind where file systems cannot exchange two names.
TEST_F(TrainerTest, ACheckpointThatLostItsNameGetsItBack) {
  const RunConfig c = config("steps: 2");
  train(c, "run");
  const std::string log = read_file(folder_ / "run/log.jsonl"), name = "step-000000002";
  std::filesystem::rename(folder_ / ("run/checkpoints/" + name),
                          folder_ / ("run/checkpoints/.removed-" + name + ".0"));
  train(c, "run", true);
  EXPECT_TRUE(std::filesystem::exists(folder_ / ("run/checkpoints/" + name)));
  EXPECT_EQ(read_file(folder_ / "run/log.jsonl"), log);
}

TEST_F(TrainerTest, LostTimingsDoNotStopARun) {
  train(config("steps: 4"), "whole");
  const RunConfig c = config("steps: 4", "checkpoint: {every_steps: 2}\n");
  arm("trainer.loss:3=enospc");
  EXPECT_THROW(Trainer(c, folder_ / "run", false).run(), Error);
  TearDown();
  std::filesystem::remove(folder_ / "run/timing.jsonl");
  train(c, "run", true);
  EXPECT_EQ(read_file(folder_ / "run/log.jsonl"), read_file(folder_ / "whole/log.jsonl"));
}

TEST_F(TrainerTest, RefusesAFolderThatAnotherTrainerHolds) {
  const RunConfig c = config("steps: 2");
  const Trainer first(c, folder_ / "run", false);
  EXPECT_THROW(Trainer(c, folder_ / "run", true), UsageError);
}

TEST_F(TrainerTest, StopsAtALossThatIsNotFiniteAndKeepsTheWeights) {
  arm("trainer.loss:4=enospc");
  Trainer trainer(config("steps: 8", "checkpoint: {every_steps: 1}\n"), folder_ / "run", false);
  try {
    trainer.run();
    FAIL() << "the step was accepted";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("step 4 (stage 1/1), examples 6, 7"), std::string::npos) << message;
  }
  std::vector<std::string> warnings;
  EXPECT_EQ(load_checkpoint(folder_ / "run", warnings).step, 3);
}

TEST_F(TrainerTest, SkipsAStepThatIsNotFinite) {
  arm("trainer.loss:4=enospc");
  RunConfig c = config("steps: 8");
  c.optimizer.non_finite.policy = NonFiniteChoice::skip;
  train(c, "run");
  EXPECT_EQ(events("run", "not_finite").size(), 1u);
  EXPECT_EQ(events("run", "step").size(), 8u);
  std::vector<std::string> warnings;
  const LoadedCheckpoint end = load_checkpoint(folder_ / "run", warnings);
  EXPECT_EQ(end.state.at("optimizer_updates"), 7);
}

TEST_F(TrainerTest, RollsBackAndLeavesOutTheStepThatWasNotFinite) {
  arm("trainer.loss:6=enospc");
  RunConfig c = config("steps: 8", "checkpoint: {every_steps: 2}\n");
  c.optimizer.non_finite.policy = NonFiniteChoice::rollback;
  train(c, "run");
  const auto steps = events("run", "step");
  ASSERT_EQ(steps.size(), 8u);
  for (size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i].at("step"), i + 1);
  std::vector<std::string> warnings;
  EXPECT_EQ(load_checkpoint(folder_ / "run", warnings).state.at("optimizer_updates"), 7);
}

TEST_F(TrainerTest, RollsBackToTheStartBeforeTheFirstCheckpoint) {
  arm("trainer.loss:3=enospc");
  RunConfig c = config("steps: 4", "checkpoint: {every_steps: 0}\n");
  c.optimizer.non_finite.policy = NonFiniteChoice::rollback;
  train(c, "run");
  const auto steps = events("run", "step");
  ASSERT_EQ(steps.size(), 4u);
  for (size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i].at("step"), i + 1);
  EXPECT_EQ(events("run", "stage_start").size(), 1u);
}

// Expects that resuming the run throws, with the words in the message, and changes nothing of its log.
#define EXPECT_NOT_RESUMED(c, Kind, words)                                                 \
  do {                                                                                     \
    const std::string log_before = read_file(folder_ / "run/log.jsonl");                   \
    try {                                                                                  \
      Trainer(c, folder_ / "run", true).run();                                             \
      ADD_FAILURE() << "the run was resumed";                                              \
    } catch (const Kind& error) {                                                          \
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what(); \
    }                                                                                      \
    EXPECT_EQ(read_file(folder_ / "run/log.jsonl"), log_before);                           \
  } while (false)

TEST_F(TrainerTest, RefusesAStoredConfigurationThatWasEdited) {
  train(config("steps: 2"), "run");
  const RunConfig edited = config("steps: 3");
  write_file_atomically(folder_ / "run/config.yaml", to_yaml(edited));
  EXPECT_NOT_RESUMED(edited, UsageError, "steps: 2 -> 3");
}

TEST_F(TrainerTest, RefusesACorpusThatChanged) {
  const RunConfig c = config("steps: 2");
  train(c, "run");
  std::string corpus = read_file(folder_ / "corpus.txt");
  std::swap(corpus[100], corpus[200]);
  ASSERT_NE(corpus[100], corpus[200]);
  write_file_atomically(folder_ / "corpus.txt", corpus);
  EXPECT_NOT_RESUMED(c, UsageError, "corpus.txt is not what it was trained on");
}

TEST_F(TrainerTest, DoesNotStartOverWhenItsCheckpointsAreGone) {
  const RunConfig c = config("steps: 2");
  train(c, "run");
  std::filesystem::remove_all(folder_ / "run/checkpoints");
  EXPECT_NOT_RESUMED(c, Error, "holds none");
}

TEST_F(TrainerTest, ALosingTrainerLeavesTheConfigurationOfTheOther) {
  const RunConfig c = config("steps: 2");
  const Trainer first(c, folder_ / "run", false);
  std::filesystem::remove(folder_ / "run/config.yaml");  // as before the first one has stored it
  std::filesystem::remove(folder_ / "run/log.jsonl");
  EXPECT_THROW(Trainer(config("steps: 3"), folder_ / "run", false), UsageError);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/config.yaml"));
}

TEST_F(TrainerTest, RefusesSplitsThatCannotBeScoredBeforeItTrains) {
  std::ofstream(folder_ / "corpus.txt") << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 20);
  RunConfig c = config("steps: 2");
  c.stages.list[0].sequence_length = 8;
  EXPECT_THROW(Trainer(c, folder_ / "run", false), Error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(TrainerTest, StopsWhenTheScoreIsNotFinite) {
  RunConfig c = config("steps: 1");
  c.stages.list[0].learning_rate = 1e38;  // which a configuration file would not get through
  EXPECT_THROW(Trainer(c, folder_ / "run", false).run(), Error);
}

TEST_F(TrainerTest, EvaluationDoesNotDependOnTheBatchSize) {
  train(config("steps: 3"), "run");
  const OpenedModel run = open_model(folder_ / "run");
  const auto& task = dynamic_cast<const CharLMTask&>(*run.task);
  const auto nats = [&](int64_t batch) {
    const Protocol protocol{.sequence_length = 200, .step = 50, .batch_size = batch};
    return task.score(Split::test, protocol, run.stage, RankGrid(), {}).nats;
  };
  const double one = nats(1);
  EXPECT_NEAR(nats(2) / one, 1, 1e-6);
  EXPECT_NEAR(nats(7) / one, 1, 1e-6);
}

TEST_F(TrainerTest, EvaluationScoresEveryCharacterOnceAndNewlinesApart) {
  train(config("steps: 3"), "run");
  const OpenedModel run = open_model(folder_ / "run");
  const auto& task = dynamic_cast<const CharLMTask&>(*run.task);
  const Score whole =
      task.score(Split::test, {.sequence_length = 10000, .step = 10000}, run.stage, RankGrid(), {});
  const Score parts =
      task.score(Split::test, {.sequence_length = 100, .step = 50}, run.stage, RankGrid(), {});
  EXPECT_EQ(whole.targets, 1499);  // 5 % of 30,000, but the first
  EXPECT_EQ(parts.targets, whole.targets);
  EXPECT_GT(whole.newline_targets, 0);
  EXPECT_EQ(parts.newline_targets, whole.newline_targets);
  EXPECT_NEAR(whole.bits(), parts.bits(), 0.5);
}

TEST(Schedule, WarmsUpThenFollowsItsKind) {
  Stage stage;
  stage.learning_rate = 1.0;
  stage.steps = 110;
  ScheduleSection schedule;
  schedule.warmup_steps = 10;
  EXPECT_DOUBLE_EQ(learning_rate(schedule, stage, 0), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, stage, 9), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, stage, 109), 1.0);
  schedule.kind = ScheduleChoice::linear;
  EXPECT_DOUBLE_EQ(learning_rate(schedule, stage, 60), 0.5);
  schedule.kind = ScheduleChoice::cosine;
  EXPECT_NEAR(learning_rate(schedule, stage, 60), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate(schedule, stage, 35), 0.5 * (1 + std::sqrt(0.5)), 1e-12);
  schedule.kind = ScheduleChoice::polynomial;
  schedule.power = 3;
  EXPECT_NEAR(learning_rate(schedule, stage, 60), 0.125, 1e-12);
  schedule.end_factor = 0.2;
  EXPECT_NEAR(learning_rate(schedule, stage, 110), 0.2, 1e-12);
}

}  // namespace
}  // namespace lf
