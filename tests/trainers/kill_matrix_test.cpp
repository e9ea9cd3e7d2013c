// Runs that cannot be lost: a run that is killed at random moments and at every named place, and resumed each
// time, ends with the weights, optimizer state and log of the run that nobody disturbed, bit for bit.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/random.h"
#include "tests/child_process.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "tests/trainers/run/run_ends.h"
#include "tests/trainers/signal_masks.h"
#include "trainers/run/checkpoint.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = R"(
data: {path: CORPUS, kind: bytes}
model: {layers: 2, width: 32, heads: 2, feed_forward: 64, dropout: 0.1}
schedule: {warmup_steps: 3}
stages:
  list:
    - {name: a, sequence_length: 64, windows: [8, 16], learning_rate: 0.002, batch_size: 4, micro_batch: 2, steps: 14}
    - {name: b, sequence_length: 96, windows: [16, 16], dilation: [1, 2], dilated_heads: 1, learning_rate: 0.001,
       batch_size: 2, steps: 11, recompute: true}
validation: {every_steps: 5, tokens: 200}
evaluation: {sequence_length: 256, step: 128}
checkpoint: {every_steps: 3, every_minutes: 0, keep_last: 2}
log: {every_steps: 2}
)";

// A config, a small corpus, and the undisturbed run's result.
class KillMatrix : public ::testing::Test {
 protected:
  void SetUp() override {
    write(folder_ / "corpus.txt", read_file(source_path("data/samples/enwik8-1MB")).substr(0, 20000));
    std::string config = kConfig;
    config.replace(config.find("CORPUS"), 6, folder_ / "corpus.txt");
    write(folder_ / "config.yaml", config);
    const auto start = std::chrono::steady_clock::now();
    ASSERT_EQ(start_run("whole").wait(), 0) << output();
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  static void write(const std::string& path, const std::string& content) { std::ofstream(path) << content; }

  ChildProcess start_run(const std::string& name, const std::vector<std::string>& variables = {}) {
    std::vector<std::string> environment = {"XDG_CACHE_HOME=" + folder_.path() + "/cache",
                                            "OMP_NUM_THREADS=1"};
    environment.insert(environment.end(), variables.begin(), variables.end());
    return ChildProcess(
        {program_path(), "train", folder_ / "config.yaml", "--out", folder_ / name, "--resume"},
        folder_ / "output.txt", environment);
  }
  std::string output() { return read_file(folder_ / "output.txt"); }

  void expect_same_end(const std::string& name) {
    lf::expect_same_end(folder_ / name, folder_ / "whole", 25);
  }

  TemporaryFolder folder_;
  double seconds_ = 0;  // what the undisturbed run took
};

int number_of_kills() { return std::getenv("LF_SLOW") ? 100 : 8; }

// Waits as long, or until the run has ended, which is then true; with signals raining if `rains`.
bool ended_within(ChildProcess& child, double seconds, bool rains) {
  if (!rains || !wait_until_signals_are_held(child)) return child.ended_within(seconds);
  return rain(child, seconds);
}

// Each run is killed again and again at moments spread over its length, until one attempt reaches the end.
// On every second run SIGUSR1 rains.
TEST_F(KillMatrix, RandomMoments) {
  const RandomKey key{20261122, 0, 0};
  int kills = 0;
  for (int run = 0; kills < number_of_kills(); ++run) {
    const std::string name = text("killed-", run);
    for (int attempt = 0;; ++attempt) {
      ChildProcess child = start_run(name);
      const double moment = seconds_ * uniform(key, static_cast<uint64_t>(kills + 1000 * run));
      // After three kills of one run it may finish, so that second and third interruptions are covered and
      // time is bounded.
      const bool rains = run % 2 == 1;
      if (attempt < 3 && !ended_within(child, moment, rains)) {
        child.kill(SIGKILL);
        ++kills;
      }
      if (rains && wait_until_signals_are_held(child)) rain(child, 1e9);
      const int code = child.wait();
      if (code == 0) break;
      ASSERT_EQ(code, 128 + SIGKILL) << output();
    }
    expect_same_end(name);
    fs::remove_all(folder_ / name);
  }
  RecordProperty("kills", kills);
}

// Every named place of checkpoint writing, the first time and in the middle of the run.
TEST_F(KillMatrix, EveryNamedPlaceSlow) {
  for (const char* place : checkpoint_failpoints()) {
    for (const int hit : {1, 5}) {
      const std::string setting = text(place, ':', hit);
      SCOPED_TRACE(setting);
      const int code = start_run("point", {"LF_FAILPOINT=" + setting}).wait();
      EXPECT_TRUE(code == 128 + SIGKILL || (code == 0 && hit == 5)) << code << '\n' << output();
      ASSERT_EQ(start_run("point").wait(), 0) << output();
      expect_same_end("point");
      fs::remove_all(folder_ / "point");
    }
  }
}

// SIGTERM, SIGINT and SIGHUP save and stop with 128 + signal; the run then goes on where it was.
TEST_F(KillMatrix, SignalsSaveAndStop) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ChildProcess child = start_run("signal");
    while (!fs::exists(folder_ / "signal/latest")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    child.kill(signal);
    const int code = child.wait();
    EXPECT_TRUE(code == 128 + signal || code == 0) << output();
    if (code != 0) {
      EXPECT_NE(output().find("everything is saved"), std::string::npos);
    }
    ASSERT_EQ(start_run("signal").wait(), 0) << output();
    expect_same_end("signal");
    fs::remove_all(folder_ / "signal");
  }
}

// A full disk at a checkpoint fails the run, keeps the checkpoint before, and the run can go on.
TEST_F(KillMatrix, FullDiskKeepsThePreviousCheckpoint) {
  // A checkpoint has 72 tensors: this is in the second one.
  const int code = start_run("full", {"LF_FAILPOINT=safetensors.before_tensor:100=enospc"}).wait();
  EXPECT_EQ(code, 1) << output();
  EXPECT_NE(output().find("No space left"), std::string::npos) << output();
  std::vector<std::string> warnings;
  EXPECT_GT(load_checkpoint(folder_ / "full", warnings).step, 0);
  ASSERT_EQ(start_run("full").wait(), 0) << output();
  expect_same_end("full");
}

// A damaged newest checkpoint is named, and the run goes on from the one before it to the same end.
TEST_F(KillMatrix, DamagedCheckpointIsNamedAndPassedOver) {
  ASSERT_EQ(start_run("damaged", {"LF_FAILPOINT=checkpoint.before_folder:6"}).wait(), 128 + SIGKILL)
      << output();
  const std::string newest = *latest_checkpoint(folder_ / "damaged");
  std::fstream file(newest + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(3000).put('\x55').put('\xAA');
  file.close();
  ASSERT_EQ(start_run("damaged").wait(), 0) << output();
  EXPECT_NE(output().find(newest), std::string::npos) << output();
  expect_same_end("damaged");
}

}  // namespace
}  // namespace lf
