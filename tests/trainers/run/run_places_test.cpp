// What stands around a run: links that lead out of its folder, a folder that is taken away, readers beside
// it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>
#include <utility>

#include "core/failpoint.h"
#include "core/files.h"
#include "tests/places.h"
#include "tests/testing.h"
#include "tests/trainers/run/checkpoint_run.h"
#include "trainers/config/load.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/tasks/make_task.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr Retention kKeepOne = {.keep_last = 1, .keep_best = false, .is_best = false};

// Moves a file or folder out of the run and leaves a link to it.
void move_away(const std::string& path, const std::string& elsewhere) {
  fs::rename(path, elsewhere);
  fs::create_symlink(elsewhere, path);
}

TEST(RunLinks, AMovedCheckpointKeepsItsContents) {
  const TemporaryFolder run, disk;
  save_step(run.path(), 10, kKeepOne);
  move_away(run / "checkpoints/step-000000010", disk / "old");
  expect_clean_load(run.path(), 10);
  const Names contents = entries(disk / "old");
  save_step(run.path(), 20, kKeepOne);
  EXPECT_EQ(saved_names(run.path()), Names{"step-000000020"});
  EXPECT_EQ(entries(disk / "old"), contents);
  EXPECT_EQ(inspect_checkpoint(disk / "old").problems, Names());
}

TEST(RunLinks, ALinkUnderAHiddenNameIsRemovedAlone) {
  for (const char* name : {".saving-step-000000020", ".removed-step-000000005.0"}) {
    const TemporaryFolder run, disk;
    save_step(run.path(), 10);
    write_file_atomically(disk / "precious", "data");
    fs::create_directory_symlink(disk.path(), run / (std::string("checkpoints/") + name));
    save_step(run.path(), 20);
    EXPECT_EQ(entries(disk.path()), Names{"precious"}) << name;
    EXPECT_EQ(saved_names(run.path()), (Names{"step-000000010", "step-000000020"})) << name;
  }
}

// The disk is away, or the copy on it was deleted.
TEST(RunLinks, ALinkThatLeadsNowhereIsAProblemAndGoesInItsTurn) {
  const TemporaryFolder run, disk;
  save_step(run.path(), 10, {.keep_last = 1, .keep_best = true, .is_best = true});
  const std::string name = "checkpoints/step-000000010";
  move_away(run / name, disk / "old");
  fs::remove_all(disk / "old");
  const std::vector<CheckpointReport> reports = inspect_checkpoints(run.path());
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports[0].problems.at(0).find("cannot open " + run / name), std::string::npos)
      << reports[0].problems[0];
  EXPECT_EQ(lost_checkpoints(run.path()), Names());
  EXPECT_ERROR(load_best_checkpoint(run.path()), "cannot open " + run / name);
  Names warnings;
  EXPECT_ERROR(load_checkpoint(run.path(), warnings), "no checkpoint is whole");
  save_step(run.path(), 20, kKeepOne);
  EXPECT_EQ(saved_names(run.path()), Names{"step-000000020"});
}

TEST(RunLinks, PointersToNothingAreProblems) {
  const TemporaryFolder run;
  save_step(run.path(), 10, {.keep_last = 1, .keep_best = true, .is_best = true});
  EXPECT_EQ(lost_checkpoints(run.path()), Names());
  fs::remove_all(run / "checkpoints/step-000000010");
  EXPECT_EQ(lost_checkpoints(run.path()),
            (Names{run / "latest" + " names step-000000010, which is not there",
                   run / "best" + " names step-000000010, which is not there"}));
  EXPECT_ERROR(load_best_checkpoint(run.path()), run / "best" + " names ");
}

TEST(RunLinks, ALinkedPartIsRemovedAlone) {
  const TemporaryFolder run, disk;
  save_step(run.path(), 10, kKeepOne);
  move_away(run / "checkpoints/step-000000010/model.safetensors", disk / "model");
  const std::string content = read_file(disk / "model");
  expect_clean_load(run.path(), 10);
  save_step(run.path(), 20, kKeepOne);
  EXPECT_EQ(read_file(disk / "model"), content);
}

TEST(RunLinks, PointersAreReplacedNotFollowed) {
  const TemporaryFolder run, disk;
  save_step(run.path(), 10);
  move_away(run / "latest", disk / "latest");
  save_step(run.path(), 20);
  EXPECT_EQ(read_file(disk / "latest"), "step-000000010\n");
  EXPECT_EQ(read_file(run / "latest"), "step-000000020\n");
}

class RunPlaces : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file_atomically(folder_ / "corpus.txt",
                          read_file(source_path("data/samples/enwik8-1MB")).substr(0, 30000));
  }
  RunConfig config(int64_t steps, const std::string& more = "") {
    return parse_run_config(text("data: {path: ", folder_ / "corpus.txt", R"(}
model: {layers: 1, width: 16, heads: 2, feed_forward: 32}
stages: {list: [{name: a, sequence_length: 32, windows: 8, learning_rate: 0.003, batch_size: 2, steps: )",
                                 steps, "}]}\ncheckpoint: {every_steps: 2, every_minutes: 0}\n", more),
                            "test.yaml");
  }
  TemporaryFolder folder_;
};

TEST_F(RunPlaces, NothingThatLeadsOutOfTheFolderIsWrittenTo) {
  Trainer(config(3), folder_ / "run", false).run();
  for (const std::string name :
       {"timing.jsonl", "log.jsonl", "messages.log", "events", "checkpoints", ".lock"}) {
    fs::remove_all(folder_ / "outside");
    move_away(folder_ / ("run/" + name), folder_ / "outside");
    const bool is_file = fs::is_regular_file(folder_ / "outside");
    const std::string before = is_file ? read_file(folder_ / "outside") : "";
    const Names names = is_file ? Names() : entries(folder_ / "outside");
    EXPECT_ERROR(Trainer(config(3), folder_ / "run", true), "run/" + name + " is a symbolic link");
    if (is_file) {
      EXPECT_EQ(read_file(folder_ / "outside"), before) << name;
    } else {
      EXPECT_EQ(entries(folder_ / "outside"), names) << name;
    }
    fs::remove(folder_ / ("run/" + name));
    fs::rename(folder_ / "outside", folder_ / ("run/" + name));
  }
}

TEST_F(RunPlaces, ARunsFolderMayItselfBeALink) {
  fs::create_directory(folder_ / "disk");
  fs::create_directory_symlink(folder_ / "disk", folder_ / "run");
  EXPECT_EQ(Trainer(config(3), folder_ / "run", false).run(), RunEnd::finished);
  EXPECT_TRUE(fs::exists(folder_ / "disk/latest"));
}

TEST_F(RunPlaces, AFolderThatIsRemovedIsNoticedAtTheNextSave) {
  Trainer trainer(config(4), folder_ / "run", false);
  fs::remove_all(folder_ / "run");
  EXPECT_ERROR(trainer.run(), "run was removed or moved while the run in it was training");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(RunPlaces, ALockOrLogThatIsRemovedIsNoticedAtTheNextSave) {
  for (const std::string name : {".lock", "log.jsonl", "timing.jsonl"}) {
    Trainer trainer(config(4), folder_ / ("run" + name), false);
    fs::remove(folder_ / ("run" + name + "/" + name));
    EXPECT_ERROR(trainer.run(), "run" + name + "/" + name + " was removed");
  }
}

TEST_F(RunPlaces, AFolderThatIsReplacedIsNoticedAtTheNextSave) {
  Trainer trainer(config(4), folder_ / "run", false);
  fs::rename(folder_ / "run", folder_ / "moved");
  const Trainer other(config(4), folder_ / "run", false);
  const Names names = entries(folder_ / "run");
  EXPECT_ERROR(trainer.run(), "run was replaced while the run in it was training");
  EXPECT_EQ(entries(folder_ / "run"), names);
}

void arm(const std::string& failpoint) {
  ::setenv("LF_FAILPOINT", failpoint.c_str(), 1);
  read_failpoint_environment();
}

// A rollback would otherwise go back to what another run has saved, and cut the log of this one.
TEST_F(RunPlaces, AFolderThatIsReplacedIsNoticedBeforeARollback) {
  const RunConfig c = config(8, "optimizer: {non_finite: {policy: rollback}}\nlog: {every_steps: 1}\n");
  arm("checkpoint.before_manifest:3=enospc");
  EXPECT_ERROR(Trainer(c, folder_ / "run", false).run(), "checkpoint of step 4 not saved");
  Trainer resumed(c, folder_ / "run", true);
  fs::rename(folder_ / "run", folder_ / "moved");
  { const Trainer other(c, folder_ / "run", false); }
  const std::string log = read_file(folder_ / "moved/log.jsonl");
  arm("trainer.loss=enospc");
  EXPECT_ERROR(resumed.run(), "was replaced while the run in it was training");
  EXPECT_EQ(read_file(folder_ / "moved/log.jsonl").substr(0, log.size()), log);
  EXPECT_FALSE(log.empty());
  ::unsetenv("LF_FAILPOINT");
  read_failpoint_environment();
}

TEST_F(RunPlaces, AStateThatIsNotFiniteIsNotSaved) {
  const RunConfig c = config(4);
  const auto task = make_task(c);
  const Tensor& values = task->parameters().values;
  const OptimizerState optimizer{Tensor::zeros_like(values), Tensor::zeros_like(values), 0};
  const std::vector<TensorFile> files = checkpoint_files(task->parameters(), values, optimizer);
  fs::create_directory(folder_ / "run");
  const auto save = [&](int64_t step) { save_run(folder_ / "run", step, files, state_at(step), {}); };
  save(1);
  const std::string first_name = task->parameters().parameters.front().name;
  float* const broken[] = {optimizer.second.data<float>(), optimizer.first.data<float>(),
                           task->parameters().values.data<float>()};
  const std::string offset_name[] = {"second.", "first.", ""};
  for (size_t i = 0; i < std::size(broken); ++i) {
    const auto& parameter = task->parameters().parameters.front();
    float& value = broken[i][parameter.offset];
    const float whole = std::exchange(
        value, i == 1 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity());
    const std::string error = error_of([&] { save(2); });
    EXPECT_NE(error.find("step 2: the run's state is not finite any more"), std::string::npos) << error;
    EXPECT_NE(error.find(offset_name[i] + first_name + " (1 of "), std::string::npos) << error;
    EXPECT_EQ(read_file(folder_ / "run/latest"), "step-000000001\n");
    value = whole;
  }
  save(2);
  EXPECT_EQ(read_file(folder_ / "run/latest"), "step-000000002\n");
}

// Saves without a pause, each save retiring the one before or replacing it under the same name.
class LiveRun {
 public:
  explicit LiveRun(const std::string& run) : run_(run) {
    save_step(run_, 10, kBest);
    writer_ = std::thread([this] {
      for (int64_t step = 11; !stop_; ++step) {
        save_step(run_, step, kBest);
        save_step(run_, step, kBest);
      }
    });
  }
  ~LiveRun() {
    stop_ = true;
    writer_.join();
  }

 private:
  static constexpr Retention kBest = {.keep_last = 1, .keep_best = true, .is_best = true};
  std::string run_;
  std::atomic<bool> stop_ = false;
  std::thread writer_;
};

TEST(LiveRun, ReadersNeverMeetACheckpointThatIsHalfGone) {
  const TemporaryFolder run;
  const LiveRun live(run.path());
  for (int reading = 0; reading < 60 && !::testing::Test::HasFailure(); ++reading) {
    Names warnings;
    const LoadedCheckpoint newest = load_checkpoint(run.path(), warnings);
    EXPECT_EQ(warnings, Names());
    expect_step(newest, newest.step);
    const auto best = load_best_checkpoint(run.path());
    ASSERT_TRUE(best);
    expect_step(*best, best->step);
    EXPECT_EQ(lost_checkpoints(run.path()), Names());
    for (const CheckpointReport& report : inspect_checkpoints(run.path()))
      EXPECT_EQ(report.problems, Names()) << report.folder;
  }
}

}  // namespace
}  // namespace lf
