// Where a run says that its time went: the phases of its steps are those of the loop and add up to what the
// clock says, on each device that is here.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <memory>

#include "core/files.h"
#include "core/operations.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "trainers/config/load.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

using nlohmann::json;

class RunProfile : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 30000);
  }

  // Two stages; a step takes long enough that its log does not count.
  RunConfig config(const std::string& more = "") {
    return parse_run_config(
        "data: {path: " + (folder_ / "corpus.txt") +
            "}\n"
            "model: {layers: 2, width: 64, heads: 2, feed_forward: 256, dropout: 0.1}\n"
            "stages: {list: [{name: a, sequence_length: 512, windows: 64, learning_rate: 0.001, "
            "batch_size: 4, micro_batch: 2, steps: 12}, {name: b, sequence_length: 512, "
            "windows: 64, learning_rate: 0.001, batch_size: 4, micro_batch: 2, recompute: true, steps: 4}]}\n"
            "validation: {tokens: 512}\n"
            "evaluation: {sequence_length: 512, step: 256, after_each_stage: false}\n"
            "log: {every_steps: 4}\n" +
            more,
        "test.yaml");
  }
  json profile(const std::string& run) { return json::parse(read_file(folder_ / (run + "/profile.json"))); }

  TemporaryFolder folder_;
};

const json& phase(const json& list, std::string_view name) {
  for (const json& entry : list) {
    if (entry.at("phase") == name) return entry;
  }
  throw Error(text("no phase ", name, " in ", list.dump()));
}

TEST_F(RunProfile, StepsAddUpToTheirWallTime) {
  ::testing::internal::CaptureStderr();
  Trainer trainer(config(), folder_ / "run", false);
  trainer.profile();
  EXPECT_EQ(trainer.run(), RunEnd::finished);
  const std::string console = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(console.find("where the time of stage \"a\" went, steps 1 to 12 (cpu):"), std::string::npos)
      << console;
  EXPECT_NE(console.find("where the time of stage \"b\" went, steps 13 to 16 (cpu):"), std::string::npos)
      << console;
  EXPECT_NE(console.find("    window_attention "), std::string::npos) << console;

  const json stages = profile("run").at("stages");
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[1].at("name"), "b");
  EXPECT_EQ(stages[1].at("last_step"), 16);
  const json& phases = stages[0].at("phases");
  EXPECT_EQ(phase(phases, "update").at("calls"), 12);
  EXPECT_EQ(phase(phases, "data").at("calls"), 36);  // for what an update holds, and for each micro-batch
  for (const char* name : {"forward", "backward"}) EXPECT_EQ(phase(phases, name).at("calls"), 24) << name;
  EXPECT_EQ(phase(phases, "norm").at("calls"), 12);
  // Weights, gradients and losses are added, parameters shared.
  EXPECT_EQ(phase(phases, "communication").at("calls"), 48);
  double steps = 0, all = 0, wall = 0;
  for (const json& entry : phases) {
    const std::string name = entry.at("phase");
    all += entry.at("seconds").get<double>();
    if (name != "evaluate" && name != "checkpoint") steps += entry.at("seconds").get<double>();
  }
  for (const LogRecord& record : read_run_log(folder_ / "run/timing.jsonl")) {
    if (record.fields.at("step") <= 12) wall += record.fields.at("seconds").get<double>();
  }
  EXPECT_NEAR(steps / wall, 1, 0.04);
  EXPECT_NEAR(all / stages[0].at("seconds").get<double>(), 1, 0.04);
  // Nor is much of forward and backward without a name.
  for (const char* name : {"forward", "backward"}) {
    const json& entry = phase(phases, name);
    EXPECT_LT(entry.at("other_seconds"), 0.15 * entry.at("seconds").get<double>()) << entry;
  }
  phase(phase(stages[1].at("phases"), "backward").at("phases"), "recompute");
}

TEST_F(RunProfile, IsWrittenWhereASignalStopsTheRun) {
  const auto requests = std::make_shared<RunRequests>();
  Trainer trainer(config(), folder_ / "run", false, requests);
  trainer.profile();
  requests->stop(SIGTERM);
  EXPECT_EQ(trainer.run(), RunEnd::stopped);
  const json stages = profile("run").at("stages");
  ASSERT_EQ(stages.size(), 1u);
  EXPECT_EQ(stages[0].at("last_step"), 1);
  phase(stages[0].at("phases"), "checkpoint");
}

TEST_F(RunProfile, IsMadeOnRequestOnly) {
  Trainer(config(), folder_ / "run", false).run();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/profile.json"));
}

TEST_F(RunProfile, TimingsHoldTheModelsOperations) {
  const RunConfig c = config();
  Trainer(c, folder_ / "run", false).run();
  const Stage stage = resolved_stages(c).front();
  const auto task = make_task(c);
  const double asked = operations().model();
  for (const ExampleRange& range : micro_batches_of(*task, stage, 0))
    forward_backward(*task, *task->read(stage, range), stage, 1, {.training = true});
  const double flops = operations().model() - asked;
  const std::vector<LogRecord> records = read_run_log(folder_ / "run/timing.jsonl");
  ASSERT_EQ(records.size(), 4u);  // the stages differ in recomputation only, which is no work of the model's
  for (const LogRecord& record : records) {
    const double seconds = record.fields.at("seconds"), tflops = record.fields.at("tflops");
    EXPECT_NEAR(tflops * 1e12 * seconds / (4 * flops), 1, 1e-9);
    EXPECT_TRUE(record.fields.at("mfu").is_null());
  }
}

}  // namespace
}  // namespace lf
