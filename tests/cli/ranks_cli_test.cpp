// Runs of several processes as a user starts them, by the launcher of MPI: what they train, and what is left
// and said when one of them is killed, stopped, or meets a fault.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/seconds.h"
#include "tests/cli/started_ranks.h"
#include "tests/program.h"
#include "tests/trainers/run/run_ends.h"
#include "trainers/config/load.h"
#include "trainers/measure/predicted_ranks.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

class RanksCli : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access(LF_MPIEXEC, X_OK) != 0) GTEST_SKIP() << "no " << LF_MPIEXEC;
    write_tiny_config(program_);
    write_long_config();
  }

  // Thousands of steps, which end by a stop, a fault or in the test that goes on with a few more.
  void write_long_config() {
    const std::string config = read_file(program_ / "config.yaml");
    const size_t begin = config.find("stages:"), end = config.find("validation:");
    program_.write(
        "long.yaml",
        with(config.substr(0, begin) +
                 "stages: {list: [{name: a, sequence_length: 64, windows: 8, learning_rate: 0.002, "
                 "batch_size: 4, micro_batch: 1, steps: 100000}]}\n" +
                 config.substr(end),
             "checkpoint: {every_steps: 2", "checkpoint: {every_steps: 20"));
  }

  // `before` is shell that runs in every rank first; $RANK is its number.
  ChildProcess start(int ranks, std::vector<std::string> train, const std::string& before = "") {
    fs::remove(program_ / "output.txt");
    std::vector<std::string> environment = kRanksEnvironment;
    environment.push_back("XDG_CACHE_HOME=" + (program_ / "cache"));
    train.insert(train.begin(), "train");
    return ChildProcess(ranks_command(LF_MPIEXEC, ranks, program_, train, before), program_ / "output.txt",
                        environment);
  }
  std::string output() { return read_file(program_ / "output.txt"); }
  int64_t errors() { return errors_in(output()); }
  pid_t pid(int rank) { return std::stoi(read_file(program_ / text("pid.", rank))); }
  // Waits until the run has logged so many steps.
  void wait_for_step(ChildProcess& child, const std::string& run, int64_t step) {
    const std::string wanted = text("\"step\":", step, ",");
    const std::string log = program_ / (run + "/log.jsonl");
    while (!fs::exists(log) || read_file(log).find(wanted) == std::string::npos)
      ASSERT_FALSE(child.ended_within(0.01)) << output();
  }
  // Checkpoints are written beside training: it may be some steps further than the one that there is.
  void wait_for_checkpoint(ChildProcess& child, int64_t step) {
    while (!fs::exists(program_ / "run/latest") || newest_step("run") < step)
      ASSERT_FALSE(child.ended_within(0.01)) << output();
  }
  // The run goes on, is stopped some steps later, and has then what a run has that nobody disturbed.
  void expect_good_end(const std::string& run) {
    const int64_t step = newest_step(run);
    const auto steps = [&](const std::string& name) {
      return std::vector<std::string>{program_ / "long.yaml",   "--out", program_ / name, "--resume", "--set",
                                      "ranks.reduction=ordered"};
    };
    stop_after(steps(run), run, step + 3);
    const int64_t end = newest_step(run);
    EXPECT_GT(end, step);
    program_.write("whole.yaml",
                   with(read_file(program_ / "long.yaml"), "steps: 100000", text("steps: ", end)));
    fs::remove_all(program_ / "whole");
    EXPECT_EQ(
        start(1, {program_ / "whole.yaml", "--out", program_ / "whole", "--set", "ranks.reduction=ordered"})
            .wait(),
        0)
        << output();
    std::vector<std::string> warnings;
    const LoadedCheckpoint expected = load_checkpoint(program_ / "whole", warnings);
    const LoadedCheckpoint found = load_checkpoint(program_ / run, warnings);
    for (const std::string& tensor : expected.file("model.safetensors").names())
      EXPECT_TRUE(
          same_bits(found.read("model.safetensors", tensor), expected.read("model.safetensors", tensor)))
          << tensor;
  }
  void stop_after(const std::vector<std::string>& train, const std::string& run, int64_t step) {
    ChildProcess child = start(2, train);
    while (output().find("continuing") == std::string::npos)  // until then the log has what is done again
      ASSERT_FALSE(child.ended_within(0.01)) << output();
    wait_for_step(child, run, step);
    ::kill(pid(1), SIGTERM);
    child.wait();
  }
  // Kills the rank of this test's run, whoever has started it.
  void kill_rank(int rank) {
    const auto has = [](const std::string& variables, const std::string& variable) {
      return variables.find('\0' + variable + '\0') != std::string::npos;
    };
    for (const fs::directory_entry& process : fs::directory_iterator("/proc")) {
      std::ifstream file(process.path() / "environ", std::ios::binary);
      const std::string variables =
          '\0' + std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
      if (has(variables, "XDG_CACHE_HOME=" + (program_ / "cache")) &&
          has(variables, text("OMPI_COMM_WORLD_RANK=", rank)))
        ::kill(std::stoi(process.path().filename()), SIGKILL);
    }
  }
  int64_t newest_step(const std::string& run) {
    std::vector<std::string> warnings;
    return load_checkpoint(program_ / run, warnings).step;
  }
  std::vector<std::string> long_run() {
    return {program_ / "long.yaml", "--out", program_ / "run", "--set", "ranks.reduction=ordered"};
  }

  Program program_;
};

TEST_F(RanksCli, TwoProcessesTrainWhatOneTrains) {
  for (const int ranks : {1, 2}) {
    const std::string run = program_ / text("of", ranks);
    // The second stage's updates are one micro-batch unless it says otherwise.
    EXPECT_EQ(start(ranks, {program_ / "config.yaml", "--out", run, "--set", "ranks.reduction=ordered",
                            "--set", "stages.list.1.micro_batch=1"})
                  .wait(),
              0)
        << output();
  }
  expect_same_end(program_ / "of2", program_ / "of1", 5);
  EXPECT_NE(read_file(program_ / "of2/messages.rank-1.log").find("rank 1 of 2"), std::string::npos);
}

TEST_F(RanksCli, AKilledRankIsNamedAndNothingIsLost) {
  for (const int killed : {0, 2}) {
    fs::remove_all(program_ / "run");
    ChildProcess child = start(3, long_run());
    wait_for_checkpoint(child, 20);
    ::kill(pid(killed), SIGKILL);
    const double start_of_wait = seconds_now();
    EXPECT_NE(child.wait(), 0);
    EXPECT_LT(seconds_now() - start_of_wait, 10);
    EXPECT_NE(output().find(text("rank ", killed, " (")), std::string::npos) << output();
    EXPECT_NE(output().find(text(", process ", pid(killed), ") is lost, at step ")), std::string::npos)
        << output();
    EXPECT_NE(output().find("its process has ended"), std::string::npos) << output();
    EXPECT_EQ(errors(), 1) << output();
    EXPECT_GE(newest_step("run"), 20);
  }
  expect_good_end("run");
}

TEST_F(RanksCli, AStoppedRankIsNamedInTime) {
  std::vector<std::string> train = long_run();
  for (const char* word : {"--set", "ranks.silence_seconds=2"}) train.push_back(word);
  ChildProcess child = start(3, train);
  wait_for_step(child, "run", 5);
  ::kill(pid(1), SIGSTOP);
  const double start_of_wait = seconds_now();
  EXPECT_EQ(child.wait(), 75);
  EXPECT_LT(seconds_now() - start_of_wait, 30);
  EXPECT_NE(output().find("error: rank 1 ("), std::string::npos) << output();
  EXPECT_NE(output().find("no sign of life for "), std::string::npos) << output();
  EXPECT_EQ(errors(), 1) << output();  // the stopped one wakes up when the launcher ends it
  ::kill(pid(1), SIGKILL);
}

TEST_F(RanksCli, ASignalToOneRankStopsAllAndLosesNoStep) {
  ChildProcess child = start(3, long_run());
  wait_for_step(child, "run", 7);
  ::kill(pid(2), SIGTERM);
  EXPECT_EQ(child.wait(), 128 + SIGTERM) << output();
  EXPECT_NE(output().find("stopped by signal 15 at step "), std::string::npos) << output();
  EXPECT_EQ(errors(), 0) << output();
  EXPECT_GE(newest_step("run"), 7);
  expect_good_end("run");
}

TEST_F(RanksCli, ALossThatIsNotFiniteOnOneRankStopsAll) {
  ChildProcess child =
      start(3, long_run(), "if [ $RANK = 1 ]; then export LF_FAILPOINT=trainer.loss:4=enospc; fi; ");
  EXPECT_EQ(child.wait(), 1) << output();
  EXPECT_NE(output().find("step 4 (stage 1/1)"), std::string::npos) << output();
  EXPECT_NE(output().find("not finite, so nothing was updated"), std::string::npos) << output();
  EXPECT_NE(output().find(" on rank 1 ("), std::string::npos) << output();
  EXPECT_EQ(errors(), 1) << output();
}

TEST_F(RanksCli, AFullDiskOfTheFirstRankEndsAll) {
  ChildProcess child = start(
      3, long_run(), "if [ $RANK = 0 ]; then export LF_FAILPOINT=safetensors.before_tensor:200=enospc; fi; ");
  EXPECT_EQ(child.wait(), 1) << output();
  EXPECT_NE(output().find("No space left on device"), std::string::npos) << output();
  EXPECT_EQ(errors(), 1) << output();
  expect_good_end("run");
}

TEST_F(RanksCli, ASupervisedRunGoesOnByItself) {
  std::vector<std::string> environment = kRanksEnvironment;
  environment.push_back("XDG_CACHE_HOME=" + (program_ / "cache"));
  environment.push_back(std::string("LF_MPIRUN=") + LF_MPIEXEC);
  ChildProcess child({program_path(), "train", program_ / "long.yaml", "--out", program_ / "run", "--set",
                      "ranks.reduction=ordered", "--ranks", "2", "--max-restarts", "2"},
                     program_ / "output.txt", environment);
  for (const int restarts : {0, 1}) {
    while (restarts > 0 && output().find("continuing") == std::string::npos)
      ASSERT_FALSE(child.ended_within(0.01)) << output();
    wait_for_checkpoint(child, 20 + 40 * restarts);
    kill_rank(1);
  }
  wait_for_step(child, "run", 105);
  child.kill(SIGTERM);
  EXPECT_EQ(child.wait(), 128 + SIGTERM);
  EXPECT_NE(output().find("warning: the run ended with exit code 137; restart 2 of 2"), std::string::npos)
      << output();
  const std::string log = read_file(program_ / "run/messages.log");
  for (const char* restart : {"restart 1 of 2", "restart 2 of 2"})
    EXPECT_NE(log.find(restart), std::string::npos) << restart << log;
  EXPECT_EQ(errors(), 2) << output();
  EXPECT_GE(newest_step("run"), 105);
  expect_good_end("run");
}

TEST_F(RanksCli, MemoryAndTrafficAreThosePredicted) {
  ::setenv("XDG_CACHE_HOME", (program_ / "cache").c_str(), 1);
  const std::vector<std::string> changes = {
      "stages.count=1",        "stages.list.0.micro_batch=1", "stages.list.0.sequence_length=1024",
      "stages.list.0.steps=4", "validation.every_steps=0",    "checkpoint.every_steps=0"};
  std::vector<std::string> train = {program_ / "config.yaml", "--out", ""};
  for (const std::string& change : changes) train.insert(train.end(), {"--set", change});
  PredictedRun run(load_run_config(program_ / "config.yaml", changes), false);
  const StagePrediction one = run.next_stage();
  const auto least = static_cast<double>(run.tensors().peak);
  for (const int ranks : {1, 2, 4}) {
    const RanksPrediction predicted = predict_ranks(run, run.stages().front(), one, ranks, {});
    train[2] = program_ / text("memory", ranks);
    ASSERT_EQ(start(ranks, train).wait(), 0) << output();
    const auto last = nlohmann::json::parse(lines_of(read_file(train[2] + "/timing.jsonl")).back());
    const double more = static_cast<double>(predicted.memory_bytes - one.memory_bytes);
    EXPECT_NEAR((least + more) / last.at("memory_bytes").get<double>(), 1, 0.05) << ranks;
    if (ranks > 1) {
      EXPECT_EQ(predicted.bytes_sent, last.at("bytes_sent").get<int64_t>()) << ranks;
    }
  }
}

TEST_F(RanksCli, BadLaunchesAreOneError) {
  EXPECT_EQ(start(3, {program_ / "config.yaml", "--out", program_ / "run", "--set", "seed=x"}).wait(), 2);
  EXPECT_EQ(errors(), 1) << output();
  EXPECT_EQ(start(3, {program_ / "config.yaml", "--out", program_ / "run"}).wait(), 2);
  EXPECT_NE(output().find("too few for 3 ranks"), std::string::npos) << output();
  EXPECT_EQ(errors(), 1) << output();
  // A rank that is given another seed than the others.
  EXPECT_EQ(start(2, {program_ / "config.yaml", "--out", program_ / "run"},
                  "if [ $RANK = 1 ]; then set -- \"$@\" --set seed=5; fi; ")
                .wait(),
            2);
  EXPECT_NE(output().find("was given another configuration than rank 0:\n  seed: 1 -> 5"), std::string::npos)
      << output();
  EXPECT_EQ(errors(), 1) << output();
  EXPECT_FALSE(fs::exists(program_ / "run"));
}

TEST_F(RanksCli, ALauncherOfAnotherMpiIsRefused) {
  std::vector<std::string> environment = kRanksEnvironment;
  environment.push_back("PMI_SIZE=2");  // as MPICH's says, of which Open MPI's library knows nothing
  ChildProcess child({program_path(), "train", program_ / "config.yaml", "--out", program_ / "run"},
                     program_ / "output.txt", environment);
  EXPECT_EQ(child.wait(), 2) << output();
  EXPECT_NE(output().find("the launcher started 2 processes, but MPI knows of 1"), std::string::npos)
      << output();
}

}  // namespace
}  // namespace lf
