// A run whose gradients and parameters go over NCCL, on its stand-in, is the run of one rank.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/places.h"
#include "tests/simt/tests/ranks_on_devices.h"
#include "tests/temporary_folder.h"
#include "tests/trainers/run/run_ends.h"
#include "trainers/config/load.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

class NcclTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (folder_.path() + "/cache").c_str(), 1);
    std::ofstream(folder_ / "corpus.txt")
        << read_file(source_path("data/samples/enwik8-1MB")).substr(0, 4000);
  }

  std::string train(int count, const std::string& reduction) {
    const RunConfig config = parse_run_config(
        "data: {path: " + (folder_ / "corpus.txt") +
            "}\n"
            "device: cuda\n"
            "threads: 1\n"
            "model: {layers: 2, width: 32, heads: 2, feed_forward: 32, dropout: 0.1}\n"
            "optimizer: {clip: 0.1}\n"
            "schedule: {warmup_steps: 1}\n"
            "stages: {list: [{name: a, sequence_length: 32, windows: 8, learning_rate: 0.003, batch_size: 3, "
            "micro_batch: 1, steps: 2}]}\n"
            "validation: {tokens: 96}\n"
            "evaluation: {sequence_length: 64, step: 32, after_each_stage: false}\n"
            "log: {every_steps: 1, tensorboard: false}\n"
            "ranks: {bucket_megabytes: 0.001, reduction: " +
            reduction + "}\n",
        "test.yaml");
    const std::string run = folder_ / text(reduction, count);
    const auto body = [&](const std::shared_ptr<Communicator>& ranks) {
      EXPECT_EQ(Trainer(config, run, false, std::make_shared<RunRequests>(), ranks).run(), RunEnd::finished);
    };
    if (count == 1)
      run_ranks(1, body);
    else
      run_ranks_on_devices(count, body);
    return run;
  }

  TemporaryFolder folder_;
};

TEST_F(NcclTraining, InOrderAnyNumberOfRanksGivesTheSameBits) {
  const std::string whole = train(1, "ordered");
  for (const int ranks : {2, 3}) expect_same_end(train(ranks, "ordered"), whole, 2);
}

// The stand-in adds in the order of ranks, as the host's exchange does: three ranks of one micro-batch each
// are then one rank of three.
TEST_F(NcclTraining, AnUpdateIsAddedUpAtOnce) { expect_same_end(train(3, "fast"), train(1, "ordered"), 2); }

}  // namespace
}  // namespace lf
