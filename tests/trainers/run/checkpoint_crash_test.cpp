// A save that is killed or meets a full disk at any of its places leaves the old checkpoint or the new one,
// whole, and the next save puts everything in order.
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/failpoint.h"
#include "tests/trainers/run/checkpoint_run.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr Retention kKeepOne = {.keep_last = 1, .keep_best = true, .is_best = true};

// Runs in memory where it can: hundreds of saves, each with a dozen fsyncs, which a dying process does not
// need.
class CheckpointCrash : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* usual = std::getenv("TMPDIR");
    usual_ = usual ? usual : "";
    if (fs::is_directory("/dev/shm") && ::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  }
  void TearDown() override {
    if (usual_.empty()) {
      ::unsetenv("TMPDIR");
    } else {
      ::setenv("TMPDIR", usual_.c_str(), 1);
    }
  }

 private:
  std::string usual_;
};

// Saves step `step` in a child that dies at the setting's place; true if it did die.
bool is_killed_saving(const std::string& run, int64_t step, const std::string& setting) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("LF_FAILPOINT", setting.c_str(), 1);
    read_failpoint_environment();
    ::_exit(error_of([&] { save_step(run, step, kKeepOne); }).empty() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    EXPECT_EQ(WTERMSIG(status), SIGKILL) << setting;
    return true;
  }
  EXPECT_EQ(WEXITSTATUS(status), 0) << setting;
  return false;
}

// The step at which a run stands whose save of 20 over 10 was cut short, by `latest` alone.
int64_t step_by_latest(const std::string& run) {
  return read_file(run + "/latest") == "step-000000020\n" ? 20 : 10;
}

// What stands under a checkpoint's name is whole, wherever its making or removal was cut short.
void expect_all_whole(const std::string& run) {
  for (const std::string& folder : checkpoint_folders(run)) {
    EXPECT_EQ(inspect_checkpoint(folder).problems, Names()) << folder;
  }
}

// Kills a save at the nth hit of a place; false once the save passes the place less often.
bool survives_kill(const char* place, int hit) {
  const TemporaryFolder run;
  save_step(run.path(), 10, kKeepOne);
  const std::string setting = text(place, ':', hit);
  SCOPED_TRACE(setting);
  const bool killed = is_killed_saving(run.path(), 20, setting);
  const int64_t step = step_by_latest(run.path());
  expect_all_whole(run.path());
  expect_clean_load(run.path(), step);
  expect_step(open_checkpoint(*best_checkpoint(run.path())),
              read_file(run / "best") == "step-000000020\n" ? 20 : 10);
  EXPECT_TRUE(killed || step == 20);
  // The run goes on from there, comes to the same step again and to the next.
  save_step(run.path(), 20, kKeepOne);
  expect_clean_load(run.path(), 20);
  save_step(run.path(), 30, kKeepOne);
  expect_clean_load(run.path(), 30);
  EXPECT_EQ(saved_names(run.path()), Names{"step-000000030"});
  EXPECT_EQ(entries(run.path()), (Names{"best", "checkpoints", "latest"}));
  return killed;
}

TEST_F(CheckpointCrash, KilledAnywhereLeavesOldOrNew) {
  for (const char* place : checkpoint_failpoints()) {
    int hits = 0;
    while (!::testing::Test::HasFailure() && survives_kill(place, hits + 1)) ++hits;
    EXPECT_GT(hits, 0) << place << " is in the list but no save passes it";
  }
}

// Killed while it replaces a checkpoint of the same step.
TEST_F(CheckpointCrash, KilledWhileReplacing) {
  for (const char* place : checkpoint_failpoints()) {
    bool killed = true;
    for (int hit = 1; killed && !HasFailure(); ++hit) {
      const TemporaryFolder run;
      save_step(run.path(), 10, {.keep_last = 2});
      save_step(run.path(), 20, {.keep_last = 2});
      SCOPED_TRACE(text(place, ':', hit));
      killed = is_killed_saving(run.path(), 20, text(place, ':', hit));
      expect_all_whole(run.path());
      expect_clean_load(run.path(), 20);
    }
  }
}

TEST_F(CheckpointCrash, KilledInTheFirstSave) {
  for (const char* place : checkpoint_failpoints()) {
    const TemporaryFolder run;
    SCOPED_TRACE(place);
    is_killed_saving(run.path(), 20, place);
    std::vector<std::string> warnings;
    // Before the rename there is nothing, and the run starts again; after it, the checkpoint is whole.
    if (!checkpoint_folders(run.path()).empty()) expect_step(load_checkpoint(run.path(), warnings), 20);
    save_step(run.path(), 20, kKeepOne);
    expect_clean_load(run.path(), 20);
    EXPECT_EQ(saved_names(run.path()), Names{"step-000000020"});
  }
}

// A second crash in the save that follows a crash.
TEST_F(CheckpointCrash, KilledTwice) {
  for (const char* first : {"safetensors.before_commit", "checkpoint.after_rename",
                            "checkpoint.before_latest", "checkpoint.before_file_removal"}) {
    for (const char* second : checkpoint_failpoints()) {
      const TemporaryFolder run;
      save_step(run.path(), 10, kKeepOne);
      SCOPED_TRACE(text(first, " then ", second));
      is_killed_saving(run.path(), 20, first);
      is_killed_saving(run.path(), 20, second);
      expect_clean_load(run.path(), step_by_latest(run.path()));
    }
  }
}

class ScopedFailpoint {
 public:
  explicit ScopedFailpoint(const std::string& setting) {
    ::setenv("LF_FAILPOINT", setting.c_str(), 1);
    read_failpoint_environment();
  }
  ~ScopedFailpoint() {
    ::unsetenv("LF_FAILPOINT");
    read_failpoint_environment();
  }
};

TEST_F(CheckpointCrash, FullDiskAnywhereKeepsTheOldOne) {
  // Behind the replacement of `latest` a failure can only be a warning, or nothing.
  const std::set<std::string> after = {"checkpoint.after_latest", "checkpoint.before_retiring",
                                       "checkpoint.before_removal", "checkpoint.before_file_removal"};
  for (const char* place : checkpoint_failpoints()) {
    const TemporaryFolder run;
    save_step(run.path(), 10, kKeepOne);
    SCOPED_TRACE(place);
    SavedCheckpoint saved;
    std::string error;
    {
      const ScopedFailpoint armed(text(place, "=enospc"));
      error = error_of([&] { saved = save_step(run.path(), 20, kKeepOne); });
    }
    if (after.contains(place)) {
      EXPECT_EQ(error, "");
      EXPECT_EQ(saved.warnings.size(), std::string(place) == "checkpoint.after_latest" ? 0 : 1);
      expect_clean_load(run.path(), 20);
      continue;
    }
    EXPECT_PRED_FORMAT2(::testing::IsSubstring, "checkpoint of step 20 not saved: ", error);
    EXPECT_PRED_FORMAT2(::testing::IsSubstring, run.path(), error);
    EXPECT_PRED_FORMAT2(::testing::IsSubstring, "No space left on device (ENOSPC)", error);
    const uintmax_t needed = fs::file_size(run / "checkpoints/step-000000010/model.safetensors") +
                             fs::file_size(run / "checkpoints/step-000000010/optimizer.safetensors");
    EXPECT_PRED_FORMAT2(::testing::IsSubstring, text("; it needs ", needed, " bytes (39.4 KiB), "), error);
    EXPECT_PRED_FORMAT2(::testing::IsSubstring, ") are free in " + run.path(), error);
    EXPECT_PRED_FORMAT2(::testing::IsSubstring,
                        "; the last good checkpoint is " + (run / "checkpoints/step-000000010"), error);
    expect_clean_load(run.path(), 10);
    // Only when `best` already names the new checkpoint, which is whole, does it stay.
    const bool stays = std::string(place) == "checkpoint.before_latest";
    EXPECT_EQ(saved_names(run.path()),
              stays ? (Names{"step-000000010", "step-000000020"}) : Names{"step-000000010"});
    save_step(run.path(), 20, kKeepOne);
    expect_clean_load(run.path(), 20);
    EXPECT_EQ(saved_names(run.path()), Names{"step-000000020"});
  }
}

TEST_F(CheckpointCrash, FailedFirstSaveSaysThatThereIsNone) {
  const TemporaryFolder run;
  const ScopedFailpoint armed("checkpoint.before_manifest=enospc");
  EXPECT_ERROR(save_step(run.path(), 20), "; there is no checkpoint yet");
  EXPECT_EQ(entries(run.path()), Names{"checkpoints"});
  EXPECT_EQ(saved_names(run.path()), Names());
}

TEST_F(CheckpointCrash, FailedSecondSaveOfAStepSaysThatItIsThere) {
  const TemporaryFolder run;
  save_step(run.path(), 20);
  const ScopedFailpoint armed("checkpoint.before_manifest=enospc");
  EXPECT_ERROR(save_step(run.path(), 20),
               "; it is there already, as " + (run / "checkpoints/step-000000020"));
  expect_clean_load(run.path(), 20);
}

TEST_F(CheckpointCrash, FileSizeLimitKeepsTheOldOne) {
  const TemporaryFolder run;
  save_step(run.path(), 10);
  rlimit old = {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {.rlim_cur = 10'000, .rlim_max = old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const std::string error = error_of([&] { save_step(run.path(), 20); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_PRED_FORMAT2(::testing::IsSubstring, "step-000000020/model.safetensors: File too large (EFBIG)",
                      error);
  expect_clean_load(run.path(), 10);
  EXPECT_EQ(saved_names(run.path()), Names{"step-000000010"});
}

// A file system of 1 MiB, as long as the object lives.
class SmallDisk {
 public:
  SmallDisk() : mounted_(::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=1m") == 0) {}
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool mounted_;
};

TEST_F(CheckpointCrash, FullDiskKeepsTheOldOne) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  save_step(disk.path(), 10);
  const std::vector<TensorFile> large = {
      {"model.safetensors", {{"x", Tensor::zeros({300'000}, DType::f32)}}}};
  const std::string told = error_of([&] { save_checkpoint(disk.path(), 20, large, state_at(20)); });
  EXPECT_PRED_FORMAT2(::testing::IsSubstring, "not enough space in " + disk.path() + "/checkpoints (ENOSPC)",
                      told);
  EXPECT_PRED_FORMAT2(::testing::IsSubstring, "bytes (1.14 MiB), ", told);
  expect_clean_load(disk.path(), 10);
  // The tensors fit, as the check beforehand finds; the state does not, so that a real write fails.
  nlohmann::ordered_json state = state_at(20);
  state["history"] = std::string(1'000'000, 'x');
  const std::string met = error_of([&] { save_checkpoint(disk.path(), 20, tensors_at(20), state); });
  EXPECT_PRED_FORMAT2(::testing::IsSubstring, "manifest.json: No space left on device (ENOSPC)", met);
  expect_clean_load(disk.path(), 10);
  EXPECT_EQ(saved_names(disk.path()), Names{"step-000000010"});
  save_step(disk.path(), 20, {.keep_last = 1});
  expect_clean_load(disk.path(), 20);
}

TEST_F(CheckpointCrash, ReadOnlyFolderIsExplained) {
  const TemporaryFolder run;
  save_step(run.path(), 10);
  fs::permissions(run / "checkpoints", fs::perms(0555));
  {
    const WithoutPrivileges ordinary_user;
    EXPECT_ERROR(save_step(run.path(), 20), "Permission denied (EACCES)");
  }
  expect_clean_load(run.path(), 10);
}

}  // namespace
}  // namespace lf
