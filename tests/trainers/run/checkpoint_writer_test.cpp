// Checkpoints that are written beside training: steps go on, nothing is lost, failures are reported. What
// writes is held at named places (core/failpoint.h) for as long as a test needs.
#include "trainers/run/checkpoint_writer.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <limits>
#include <memory>

#include "core/failpoint.h"
#include "tests/program.h"
#include "tests/trainers/run/checkpoint_run.h"
#include "tests/trainers/run/run_ends.h"
#include "trainers/config/load.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

class CheckpointWriting : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_config(program_);
    std::string config = with(read_file(program_ / "config.yaml"), ", steps: 3", ", steps: 12");
    config = with(config, "validation: {every_steps: 2", "validation: {every_steps: 0");
    program_.write("config.yaml", with(config, "{every_steps: 2", "{every_steps: 4"));
  }
  void TearDown() override {
    ::unsetenv("LF_FAILPOINT");
    read_failpoint_environment();
  }
  void arm(const std::string& setting) {
    ::setenv("LF_FAILPOINT", setting.c_str(), 1);
    read_failpoint_environment();
  }

  // The run `name` of the program; what it writes stays at the place until release().
  ChildProcess start(const std::string& name, const std::string& place = "") {
    std::vector<std::string> variables = {"XDG_CACHE_HOME=" + program_ / "cache", "OMP_NUM_THREADS=1"};
    if (!place.empty()) variables.push_back("LF_FAILPOINT=" + place + "=until:" + program_ / "release");
    return ChildProcess(
        {program_path(), "train", program_ / "config.yaml", "--out", program_ / name, "--resume"},
        program_ / "output.txt", variables);
  }
  void release() { program_.write("release", ""); }
  std::string output() { return read_file(program_ / "output.txt"); }
  void finish_and_compare(const std::string& name) {
    ASSERT_EQ(start("whole").wait(), 0) << output();
    ASSERT_EQ(start(name).wait(), 0) << output();
    expect_same_end(program_ / name, program_ / "whole", 14);
  }
  bool logged(const std::string& name, int64_t step) {
    const std::string path = program_ / (name + "/log.jsonl");
    return fs::exists(path) &&
           read_file(path).find(text("\"event\":\"step\",\"step\":", step, ",")) != std::string::npos;
  }
  // Whether the run `name` comes to the step while what writes is held at its place. After minutes it is
  // killed.
  bool comes_to(ChildProcess& child, const std::string& name, int64_t step) {
    const auto there = [&] { return logged(name, step) && fs::exists(program_ / "release.reached"); };
    for (int wait = 0; wait < 100'000 && !there(); ++wait)
      if (child.ended_within(0.001)) return false;
    if (there()) return true;
    child.kill(SIGKILL);
    return false;
  }
  int64_t newest(const std::string& name) {
    std::vector<std::string> warnings;
    const int64_t step = load_checkpoint(program_ / name, warnings).step;
    EXPECT_EQ(warnings, std::vector<std::string>());
    return step;
  }
  RunConfig config(const std::vector<std::string>& overrides = {}) {
    return parse_run_config(read_file(program_ / "config.yaml"), "test.yaml", overrides);
  }

  Program program_;
};

TEST_F(CheckpointWriting, StepsGoOnUntilTheNextIsDue) {
  ChildProcess child = start("run", "checkpoint.before_manifest");  // of step 4
  ASSERT_TRUE(comes_to(child, "run", 8)) << output();
  EXPECT_FALSE(fs::exists(program_ / "run/latest"));
  EXPECT_FALSE(child.ended_within(0.3));
  EXPECT_FALSE(logged("run", 9)) << "the save of step 8 did not wait for that of step 4";
  release();
  ASSERT_EQ(child.wait(), 0) << output();
  finish_and_compare("run");
}

TEST_F(CheckpointWriting, AStopWaitsForItAndSavesItsOwnStep) {
  ChildProcess child = start("run", "checkpoint.before_latest:2");  // of step 8
  ASSERT_TRUE(comes_to(child, "run", 9)) << output();
  child.kill(SIGTERM);
  EXPECT_FALSE(child.ended_within(0.3)) << "the checkpoint that was being written was not waited for";
  EXPECT_EQ(newest("run"), 4);
  release();
  ASSERT_EQ(child.wait(), 128 + SIGTERM) << output();
  EXPECT_TRUE(logged("run", newest("run"))) << newest("run");
  EXPECT_FALSE(logged("run", newest("run") + 1)) << "a step was lost";
  EXPECT_NE(output().find("everything is saved"), std::string::npos) << output();
  finish_and_compare("run");
}

// Training is steps ahead of the checkpoint that is being written when the program is killed.
TEST_F(CheckpointWriting, KilledWhileStepsGoOnLosesNoCheckpoint) {
  for (const std::string place :
       {"checkpoint.before_folder", "safetensors.before_commit", "checkpoint.after_manifest",
        "checkpoint.after_rename", "checkpoint.before_latest", "checkpoint.after_latest"}) {
    SCOPED_TRACE(place);
    const int hit = place == "safetensors.before_commit" ? 3 : 2;  // a checkpoint has two such files
    ChildProcess child = start("run", text(place, ':', hit));
    ASSERT_TRUE(comes_to(child, "run", 10)) << output();
    child.kill(SIGKILL);
    ASSERT_EQ(child.wait(), 128 + SIGKILL) << output();
    EXPECT_EQ(newest("run"), place == "checkpoint.after_latest" ? 8 : 4);
    finish_and_compare("run");
    for (const char* name : {"run", "release.reached"}) fs::remove_all(program_ / name);
  }
}

TEST_F(CheckpointWriting, AFailureEndsTheRunAndNamesItsStep) {
  arm("checkpoint.before_manifest:2=enospc");
  EXPECT_ERROR_TEXT(Trainer(config(), program_ / "run", false).run(), "checkpoint of step 8 not saved: ");
  EXPECT_EQ(newest("run"), 4);
}

TEST_F(CheckpointWriting, AFailureIsNoticedBeforeAnotherIsDue) {
  const RunConfig c = config({"checkpoint.every_steps=0", "stages.list.0.steps=1000"});
  const auto requests = std::make_shared<RunRequests>();
  requests->save();
  arm("checkpoint.before_manifest=enospc");
  EXPECT_ERROR_TEXT(Trainer(c, program_ / "run", false, requests).run(), "checkpoint of step 1 not saved: ");
  EXPECT_FALSE(logged("run", 1000));
}

// With nobody to hear of them later.
TEST_F(CheckpointWriting, FailuresOfTheLastSavesAreReported) {
  const RunConfig c = config();
  arm("checkpoint.before_manifest:7=enospc");  // of steps 4, 8, 12, and two at the end of each stage
  EXPECT_ERROR_TEXT(Trainer(c, program_ / "run", false).run(), "checkpoint of step 14 not saved");
  arm("checkpoint.before_manifest=enospc");
  const auto requests = std::make_shared<RunRequests>();
  requests->stop(SIGTERM);
  EXPECT_ERROR_TEXT(Trainer(c, program_ / "stopped", false, requests).run(),
                    "checkpoint of step 1 not saved");
}

TEST_F(CheckpointWriting, AFolderThatGoesAwayMeanwhileIsNamed) {
  ChildProcess child = start("run", "checkpoint.before_manifest:2");
  ASSERT_TRUE(comes_to(child, "run", 10)) << output();
  fs::rename(program_ / "run", program_ / "moved");
  release();
  ASSERT_EQ(child.wait(), 1) << output();
  EXPECT_NE(output().find("run was removed or moved while the run in it was training"), std::string::npos)
      << output();
  EXPECT_FALSE(fs::exists(program_ / "run"));
  fs::rename(program_ / "moved", program_ / "run");
  EXPECT_EQ(newest("run"), 4);
  finish_and_compare("run");
}

// The step after a checkpoint is not finite; what is done about it needs the checkpoint.
TEST_F(CheckpointWriting, ARollbackGoesBackToTheOneThatIsBeingWritten) {
  arm("trainer.loss:5=enospc");
  RunConfig c = config();
  c.optimizer.non_finite.policy = NonFiniteChoice::rollback;
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Trainer(c, program_ / "run", false).run(), RunEnd::finished);
  const std::string console = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(console.find("continuing " + program_ / "run" + " from step 4"), std::string::npos) << console;
  EXPECT_EQ(newest("run"), 14);
}

// A block of one parameter, whose copy has these values.
class CheckpointWriterTest : public ::testing::Test {
 protected:
  void fill(CheckpointWriter& writer, double value) {
    for (Tensor flat : {writer.values(), writer.optimizer().first, writer.optimizer().second})
      flat.copy_from(Tensor::full(flat.shape(), flat.dtype(), value));
  }
  ParameterBlock block_{.values = Tensor::zeros({16}, DType::f32), .parameters = {{"weight", {2, 8}}}};
  TemporaryFolder run_;
  RunLock lock_{run_.path()};
};

TEST_F(CheckpointWriterTest, WritesOneAfterTheOtherFromTheSameMemory) {
  CheckpointWriter writer(run_.path(), lock_, block_);
  writer.wait();
  const int64_t live = memory_use(Device::cpu).live;
  for (const int64_t step : {1, 2, 3}) {
    fill(writer, static_cast<double>(step));
    writer.start(step, state_at(step), {});
    writer.wait();
    const LoadedCheckpoint saved = open_checkpoint(*latest_checkpoint(run_.path()));
    EXPECT_EQ(saved.step, step);
    const Tensor read = saved.read("optimizer.safetensors", "second.weight");
    EXPECT_TRUE(same_bits(read, Tensor::full({2, 8}, DType::f32, static_cast<double>(step))));
  }
  EXPECT_EQ(memory_use(Device::cpu).live, live);
}

TEST_F(CheckpointWriterTest, ASecondIsNotBegunMeanwhile) {
  CheckpointWriter writer(run_.path(), lock_, block_);
  fill(writer, 1);
  writer.start(1, state_at(1), {});
  EXPECT_ERROR(writer.start(2, state_at(2), {}), "the one before is still being written");
}

TEST_F(CheckpointWriterTest, AFailureThatNobodyHeardOfIsAWarning) {
  ::testing::internal::CaptureStderr();
  {
    CheckpointWriter writer(run_.path(), lock_, block_);
    fill(writer, std::numeric_limits<double>::infinity());
    writer.start(3, state_at(3), {});
  }
  const std::string console = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(console.find("warning: step 3: the run's state is not finite any more"), std::string::npos)
      << console;
}

}  // namespace
}  // namespace lf
