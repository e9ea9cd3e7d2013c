// What `check --ranks` predicts, against runs of ranks in threads, and against what is known of limits.
#include "trainers/measure/predicted_ranks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/places.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"
#include "trainers/config/load.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

class PredictedRanksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 40000);
  }

  // Five micro-batches an update, in buckets of a tenth of the model.
  RunConfig config(const std::vector<std::string>& overrides = {}) {
    return parse_run_config(
        "data: {path: " + (folder_ / "corpus.txt") +
            "}\nthreads: 1\nmodel: {layers: 2, width: 64, heads: 2, feed_forward: 128}\n"
            "stages: {list: [{name: a, sequence_length: 64, windows: 8, learning_rate: 0.003, batch_size: 5, "
            "micro_batch: 1, steps: 4}]}\n"
            "evaluation: {sequence_length: 256, step: 128}\nvalidation: {every_steps: 0, tokens: 500}\n"
            "checkpoint: {every_steps: 0, every_minutes: 0}\nlog: {every_steps: 1, tensorboard: false}\n"
            "ranks: {bucket_megabytes: 0.05}\n",
        "test.yaml", overrides);
  }

  static RanksPrediction predicted(const RunConfig& c, int64_t ranks, const StagePrediction* times = nullptr,
                                   const Network& network = {}) {
    PredictedRun run(c, false);
    StagePrediction one = run.next_stage();
    if (times)
      one.computing_seconds = times->computing_seconds, one.updating_seconds = times->updating_seconds;
    return predict_ranks(run, run.stages().front(), one, ranks, network);
  }

  // "bytes_sent" of the run's steps after the first.
  std::vector<int64_t> sent(const RunConfig& c, int ranks) {
    const std::string run = folder_ / text("run", runs_++);
    run_ranks(ranks, [&](const std::shared_ptr<Communicator>& communicator) {
      EXPECT_EQ(Trainer(c, run, false, std::make_shared<RunRequests>(), communicator).run(),
                RunEnd::finished);
    });
    std::vector<int64_t> result;
    for (const std::string& line : lines_of(read_file(run + "/timing.jsonl")))
      result.push_back(nlohmann::json::parse(line).at("bytes_sent"));
    result.erase(result.begin());
    return result;
  }

  TemporaryFolder folder_;
  int runs_ = 0;
};

TEST_F(PredictedRanksTest, TrafficIsTheRuns) {
  for (const char* reduction : {"fast", "ordered"}) {
    const RunConfig c = config({text("ranks.reduction=", reduction)});
    for (const int ranks : {2, 3, 4, 5}) {
      const RanksPrediction p = predicted(c, ranks);
      EXPECT_EQ(sent(c, ranks), std::vector<int64_t>(3, p.bytes_sent)) << ranks << ' ' << reduction;
    }
  }
}

TEST_F(PredictedRanksTest, TrafficOfSlicesIsTheRuns) {
  const RunConfig c = config({"ranks.sequence=2"});
  for (const int ranks : {2, 4, 6}) {
    const RanksPrediction p = predicted(c, ranks);
    EXPECT_EQ(sent(c, ranks), std::vector<int64_t>(3, p.bytes_sent)) << ranks;
  }
  EXPECT_NEAR(predicted(c, 4).idle, 1 - 5.0 / 6, 1e-12);
  EXPECT_TRUE(predicted(c, 3).error.starts_with("ranks.sequence is 2, which does not divide the 3 ranks"));
}

// Activations of a long sequence take the less memory the more ranks share it.
TEST_F(PredictedRanksTest, SlicesShareTheMemory) {
  const auto activations = [&](int64_t slices) {
    const RunConfig c = config({text("ranks.sequence=", slices), "stages.list.0.sequence_length=8192"});
    PredictedRun run(c, false);
    return static_cast<double>(run.next_stage().memory_bytes - least_resident_bytes());
  };
  EXPECT_NEAR(activations(1) / activations(4), 4, 1);
}

TEST_F(PredictedRanksTest, IdleRanksAreThoseWithoutAMicroBatch) {
  const RunConfig c = config();
  EXPECT_EQ(predicted(c, 1).micro_batches, 5);
  EXPECT_NEAR(predicted(c, 1).idle, 0, 1e-12);
  EXPECT_NEAR(predicted(c, 2).idle, 1 - 5.0 / 6, 1e-12);
  EXPECT_NEAR(predicted(c, 4).idle, 1 - 5.0 / 8, 1e-12);
  EXPECT_NEAR(predicted(c, 5).idle, 0, 1e-12);
  EXPECT_EQ(predicted(c, 5).error, "");
  EXPECT_NE(predicted(c, 6).error.find("an update has 5 micro-batches, too few for 6 ranks"),
            std::string::npos);
}

TEST_F(PredictedRanksTest, TimesFollowTheNetwork) {
  const RunConfig c = config();
  const StagePrediction times{.computing_seconds = 10, .updating_seconds = 1};
  const Network free{.bytes_per_second = 1e30, .latency = 0};
  // Without a network's cost: the slowest rank's two of five micro-batches, and its share of the update.
  const RanksPrediction three = predicted(c, 3, &times, free);
  EXPECT_NEAR(three.seconds, 10 * 2 / 5.0 + 1 / 3.0, 1e-9);
  EXPECT_NEAR(three.efficiency, 11 / (3 * three.seconds), 1e-12);
  EXPECT_NEAR(three.exchange_seconds, 0, 1e-9);
  EXPECT_EQ(predicted(c, 1, &times).seconds, 11);
  EXPECT_EQ(predicted(c, 1, &times).efficiency, 1);

  // A network that sends all in a second: half of it is gradients, which backward hides but for a bucket.
  const auto bytes = static_cast<double>(three.bytes_sent);
  const RanksPrediction second = predicted(c, 3, &times, {.bytes_per_second = bytes, .latency = 0});
  EXPECT_NEAR(second.exchange_seconds, 1, 1e-6);
  EXPECT_GT(second.exchange_wait_seconds, 0.5);
  EXPECT_LT(second.exchange_wait_seconds, 0.65);
  // One that is slower than backward hides at most that.
  const RanksPrediction slow = predicted(c, 3, &times, {.bytes_per_second = bytes / 100, .latency = 0});
  EXPECT_NEAR(slow.exchange_seconds, 100, 1e-4);
  EXPECT_GT(slow.exchange_wait_seconds, 100 - 10 * 2 / 3.0 / 5 - 0.1);
  // Latency counts for every bucket, and for what ranks agree on.
  const RanksPrediction far = predicted(c, 3, &times, {.bytes_per_second = 1e30, .latency = 1});
  EXPECT_GT(far.exchange_seconds, 2 * 2 + 4 * 6);
  EXPECT_GT(far.seconds - three.seconds, 4 * 6);
}

}  // namespace
}  // namespace lf
