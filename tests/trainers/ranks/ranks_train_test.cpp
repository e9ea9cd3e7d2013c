// Runs that several ranks share, as threads of this process: losses, norms and weights are those of one rank.
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <utility>

#include "core/files.h"
#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/trainers/ranks/ranks_in_a_run.h"
#include "tests/trainers/run/run_ends.h"
#include "trainers/config/load.h"
#include "trainers/ranks/same_run.h"
#include "trainers/run/run_log.h"
#include "trainers/tasks/make_task.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

class RanksTrain : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 30000);
  }

  // Updates of six micro-batches, so that three ranks have two each and four have one or two.
  RunConfig config(const std::string& reduction, const std::string& stage = ", micro_batch: 1") {
    return parse_run_config("data: {path: " + (folder_ / "corpus.txt") +
                                "}\n"
                                "threads: 1\n"
                                "model: {layers: 2, width: 48, heads: 2, feed_forward: 96, dropout: 0.1}\n"
                                "optimizer: {clip: 0.1}\n"
                                "schedule: {warmup_steps: 2}\n"
                                "stages: {list: [{name: a, sequence_length: 64, windows: 8, learning_rate: "
                                "0.003, batch_size: 6, steps: 6" +
                                stage +
                                "}]}\n"
                                "evaluation: {sequence_length: 256, step: 128}\n"
                                "validation: {every_steps: 2, tokens: 500}\n"
                                "checkpoint: {every_steps: 2, every_minutes: 0}\n"
                                "log: {every_steps: 1}\n"
                                "ranks: {reduction: " +
                                reduction + "}\n",
                            "test.yaml");
  }
  // Its end, by every rank; all must agree about it.
  RunEnd train(int ranks, const RunConfig& c, const std::string& name, bool resume = false,
               const std::vector<std::shared_ptr<RunRequests>>& requests = {}) {
    std::vector<RunEnd> ends(static_cast<size_t>(ranks));
    run_ranks(ranks, [&](const std::shared_ptr<Communicator>& communicator) {
      const auto rank = static_cast<size_t>(communicator->rank());
      const auto mine = rank < requests.size() ? requests[rank] : std::make_shared<RunRequests>();
      ends[rank] = Trainer(c, folder_ / name, resume, mine, communicator).run();
    });
    for (const RunEnd end : ends) EXPECT_EQ(end, ends[0]);
    return ends[0];
  }
  // "loss" and "gradient_norm" of every step.
  std::vector<double> steps(const std::string& name) {
    std::vector<double> values;
    for (const LogRecord& record : read_run_log(folder_ / (name + "/log.jsonl"))) {
      if (record.fields.at("event") != "step") continue;
      for (const char* key : {"loss", "gradient_norm"}) values.push_back(record.fields.at(key));
    }
    return values;
  }

  TemporaryFolder folder_;
};

TEST_F(RanksTrain, InOrderAnyNumberOfThemGivesTheSameBits) {
  train(1, config("ordered"), "one");
  for (const int ranks : {2, 3, 4}) {
    const std::string name = text("of", ranks);
    EXPECT_EQ(train(ranks, config("ordered"), name), RunEnd::finished);
    expect_same_end(folder_ / name, folder_ / "one", 6);
  }
}

// One chunk of 4,096 elements is the smallest bucket: the model has some ten.
TEST_F(RanksTrain, BucketsAreSentWhileBackwardRuns) {
  for (const std::string stage : {", micro_batch: 1", ", micro_batch: 1, recompute: true"}) {
    const auto buckets = [&](const std::string& reduction) {
      RunConfig c = config(reduction, stage);
      c.ranks.bucket_megabytes = 0.001;
      return c;
    };
    const std::string kind = stage.size() < 20 ? "plain" : "recomputed";
    train(1, config("ordered", stage), kind + "one");
    for (const int ranks : {2, 3}) {
      train(ranks, buckets("ordered"), text(kind, ranks));
      expect_same_end(folder_ / text(kind, ranks), folder_ / (kind + "one"), 6);
    }
    train(3, buckets("fast"), kind + "fast");
    train(3, config("fast", stage), kind + "whole");
    expect_same_end(folder_ / (kind + "fast"), folder_ / (kind + "whole"), 6);
  }
}

TEST_F(RanksTrain, BytesOnTheWireAreThoseOfTheFormula) {
  RunConfig c = config("fast");
  train(3, c, "run");
  const auto task = make_task(c);
  const auto block = static_cast<double>(task->parameters().values.elements());
  // Rank 0 sends two thirds of the gradients to the others' shares, and its third of the parameters to two;
  // what ranks agree on is small beside them.
  for (const LogRecord& record : read_run_log(folder_ / "run/timing.jsonl")) {
    if (record.fields.at("step") == 1 || record.fields.at("step").get<int64_t>() % 2 == 0)
      continue;  // no save
    const double sent = record.fields.at("bytes_sent");
    EXPECT_NEAR(sent / (4 * block * 2 * 2 / 3), 1, 0.1) << record.fields;
    EXPECT_LE(record.fields.at("exchange_wait_seconds"), record.fields.at("seconds"));
  }
}

TEST_F(RanksTrain, FastTheyDifferByRoundingOnly) {
  train(1, config("fast"), "one");
  const std::vector<double> expected = steps("one");
  ASSERT_EQ(expected.size(), 12u);
  for (const int ranks : {2, 3}) {
    const std::string name = text("of", ranks);
    train(ranks, config("fast"), name);
    const std::vector<double> found = steps(name);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i] / expected[i], 1, 1e-5) << i;
  }
}

TEST_F(RanksTrain, SlicesTrainTheRun) {
  for (const char* stage :
       {", micro_batch: 1", ", micro_batch: 1, dilation: 2, dilated_heads: 1, recompute: true"})
    expect_slices_train_the_run(config("ordered", stage), folder_ / text("run", std::strlen(stage)), 6,
                                {2, 3});
}

// A run that two ranks cut goes on with one that does not, as it would have been but for rounding.
TEST_F(RanksTrain, AnotherNumberOfSlicesGoesOn) {
  RunConfig c = config("fast");
  train(1, c, "whole");
  c.ranks.sequence = 2;
  std::vector<std::shared_ptr<RunRequests>> requests{std::make_shared<RunRequests>(),
                                                     std::make_shared<RunRequests>()};
  requests[1]->stop(SIGTERM);
  EXPECT_EQ(train(2, c, "cut", false, requests), RunEnd::stopped);
  c.ranks.sequence = 1;
  EXPECT_EQ(train(1, c, "cut", true), RunEnd::finished);
  const std::vector<double> expected = steps("whole"), found = steps("cut");
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i] / expected[i], 1, 1e-5) << i;
}

TEST_F(RanksTrain, SlicesMustDivideTheRanks) {
  RunConfig c = config("fast");
  c.ranks.sequence = 2;
  EXPECT_ERROR_TEXT(train(3, c, "run"), "ranks.sequence is 2, which does not divide the 3 ranks of the run");
  EXPECT_ERROR_TEXT(train(1, c, "run"), "ranks.sequence is 2, which does not divide the 1 rank of the run");
}

TEST_F(RanksTrain, AnotherNumberOfThemGoesOn) {
  train(1, config("ordered"), "whole");
  for (const auto& [before, after] : {std::pair{3, 2}, std::pair{1, 3}, std::pair{2, 1}}) {
    const std::string name = text("from", before, "to", after);
    // A signal to the last rank stops all, after the step that they are at.
    std::vector<std::shared_ptr<RunRequests>> requests;
    for (int rank = 0; rank < before; ++rank) requests.push_back(std::make_shared<RunRequests>());
    requests.back()->stop(SIGTERM);
    EXPECT_EQ(train(before, config("ordered"), name, false, requests), RunEnd::stopped);
    EXPECT_EQ(train(after, config("ordered"), name, true), RunEnd::finished);
    expect_same_end(folder_ / name, folder_ / "whole", 6);
  }
}

TEST_F(RanksTrain, ASaveThatOneIsAskedForIsMade) {
  std::vector<std::shared_ptr<RunRequests>> requests{std::make_shared<RunRequests>(),
                                                     std::make_shared<RunRequests>()};
  requests[1]->save();
  RunConfig c = config("fast");
  c.checkpoint.every_steps = 0;
  c.checkpoint.keep_last = 9;
  c.validation.every_steps = 0;
  train(2, c, "run", false, requests);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "run/checkpoints/step-000000001"));
}

TEST_F(RanksTrain, MoreOfThemThanMicroBatchesAreRefused) {
  EXPECT_ERROR_TEXT(train(7, config("fast"), "run"), "an update has 6 micro-batches, too few for 7 ranks");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(RanksTrain, DifferentConfigurationsAreRefused) {
  EXPECT_ERROR_TEXT(run_ranks(3,
                              [&](const std::shared_ptr<Communicator>& ranks) {
                                RunConfig c = config("fast");
                                if (ranks->rank() == 2) c.seed = 9;
                                Trainer(c, folder_ / "run", false, std::make_shared<RunRequests>(), ranks);
                              }),
                    "was given another configuration than rank 0:\n  seed: 1 -> 9");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(RanksTrain, DifferentDataAreRefused) {
  // The corpus changes while a rank is late: what it then reads is not what the others have read.
  std::ofstream(folder_ / "other.txt") << read_file(folder_ / "corpus.txt").substr(0, 29000);
  std::mutex mutex;
  EXPECT_ERROR_TEXT(run_ranks(2,
                              [&](const std::shared_ptr<Communicator>& ranks) {
                                const auto task = [&](const std::string& corpus) {
                                  const std::lock_guard lock(mutex);
                                  RunConfig c = config("fast");
                                  c.data.path = folder_ / corpus;
                                  return make_task(c);
                                };
                                const auto own = task(ranks->rank() == 0 ? "corpus.txt" : "other.txt");
                                check_same_data(*ranks, config("fast"), *own);
                              }),
                    "has other content of");
}

}  // namespace
}  // namespace lf
