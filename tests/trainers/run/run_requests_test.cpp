// What the training loop does when asked to save or to stop, without any signal; see signals_test.cpp for
// those.
#include "trainers/run_requests.h"
#include "trainers/config/load.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "core/files.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/trainers/run/run_ends.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

class RunRequestsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 20000);
  }

  // Three steps and a validation after each of the first two.
  RunConfig config() {
    return parse_run_config(
        "data: {path: " + (folder_ / "corpus.txt") +
            "}\n"
            "model: {layers: 1, width: 16, heads: 1, feed_forward: 16}\n"
            "schedule: {warmup_steps: 2}\n"
            "stages: {list: [{name: a, sequence_length: 32, windows: 8, learning_rate: 0.003, "
            "batch_size: 2, steps: 3}]}\n"
            "evaluation: {sequence_length: 256, step: 256}\n"
            "validation: {every_steps: 1}\n"
            "checkpoint: {every_steps: 0, every_minutes: 0, keep_last: 9}\n"
            "log: {every_steps: 1}\n",
        "test.yaml");
  }
  RunEnd train(const std::string& name, const std::shared_ptr<RunRequests>& requests) {
    return Trainer(config(), folder_ / name, std::filesystem::exists(folder_ / name), requests).run();
  }

  TemporaryFolder folder_;
};

// Each time one step is finished and the score after it is not begun, but is there in the end.
TEST_F(RunRequestsTest, AStopAbandonsAScoreThatTheNextRunMakesGood) {
  EXPECT_EQ(train("whole", std::make_shared<RunRequests>()), RunEnd::finished);
  for (int64_t step = 1; step <= 3; ++step) {
    const auto requests = std::make_shared<RunRequests>();
    requests->stop(SIGTERM);
    EXPECT_EQ(train("run", requests), RunEnd::stopped);
    std::vector<std::string> warnings;
    EXPECT_EQ(load_checkpoint(folder_ / "run", warnings).step, 1) << "the score due was passed over";
    EXPECT_EQ(read_file(folder_ / "run/log.jsonl").find("\"validation\""), std::string::npos);
  }
  EXPECT_EQ(train("run", std::make_shared<RunRequests>()), RunEnd::finished);
  expect_same_end(folder_ / "run", folder_ / "whole", 3);
}

TEST_F(RunRequestsTest, ASaveIsMadeOnceAndTheRunGoesOn) {
  EXPECT_EQ(train("whole", std::make_shared<RunRequests>()), RunEnd::finished);
  const auto requests = std::make_shared<RunRequests>();
  requests->save();
  EXPECT_EQ(train("run", requests), RunEnd::finished);
  const auto saved = [&](const std::string& name, int step) {
    return std::filesystem::exists(folder_ / (name + "/checkpoints/step-00000000" + std::to_string(step)));
  };
  EXPECT_TRUE(saved("run", 1));
  EXPECT_EQ(saved("run", 2), saved("whole", 2));
  EXPECT_FALSE(requests->take_save());
  expect_same_end(folder_ / "run", folder_ / "whole", 3);
}

}  // namespace
}  // namespace lf
