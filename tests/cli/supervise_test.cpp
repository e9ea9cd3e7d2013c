// `train --ranks` with launchers of a test's own: what it makes of their ends, and whom it tells to stop.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "tests/program.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

class Supervise : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_config(program_);
    if (!fs::exists("/proc/self/task/" + std::to_string(::getpid()) + "/children"))
      GTEST_SKIP() << "this kernel does not tell of children";
  }
  // `launcher`: what it does with `program train ...` in its arguments.
  ChildProcess start(const std::string& launcher, const std::vector<std::string>& more = {}) {
    program_.write("launcher", "#!/bin/sh\nshift 2\n" + launcher + "\n");
    fs::permissions(program_ / "launcher", fs::perms::owner_all);
    std::vector<std::string> command = {program_path(), "train", program_ / "config.yaml", "--out", run(),
                                        "--ranks",      "2"};
    command.insert(command.end(), more.begin(), more.end());
    return ChildProcess(command, program_ / "output.txt",
                        {"LF_MPIRUN=" + (program_ / "launcher"), "XDG_CACHE_HOME=" + (program_ / "cache"),
                         "OMP_NUM_THREADS=1"});
  }
  // Its exit code, or that of the SIGKILL that ends what waits for ever.
  int end_of(ChildProcess& child) {
    if (!child.ended_within(40)) child.kill(SIGKILL);
    return child.wait();
  }
  std::string run() { return program_ / "run"; }
  std::string output() { return read_file(program_ / "output.txt"); }

  Program program_;
};

TEST_F(Supervise, ALauncherThatOutlivesItsRanksIsEnded) {
  // What it says goes to the child's files, which it would keep open.
  ChildProcess child = start("\"$@\"\nexec sleep 1000 > /dev/null 2>&1");
  EXPECT_EQ(end_of(child), 75) << output();
  EXPECT_NE(output().find("all ranks of this machine have ended, but their launcher has not for 10 s"),
            std::string::npos)
      << output();
}

TEST_F(Supervise, ALauncherThatPassesNothingOnStopsNoLess) {
  program_.write("config.yaml", with(read_file(program_ / "config.yaml"), "steps: 3}", "steps: 1000000}"));
  ChildProcess child = start("trap : TERM USR2\n\"$@\"");
  while (!fs::exists(run() + "/latest")) ASSERT_FALSE(child.ended_within(0.01)) << output();
  child.kill(SIGTERM);
  EXPECT_EQ(end_of(child), 128 + SIGTERM) << output();
  EXPECT_NE(output().find("stopped by signal 15 at step "), std::string::npos) << output();
}

TEST_F(Supervise, AnExitCodeThatIsASignalStartsAgain) {
  ChildProcess child =
      start("[ -e $0.once ] || { touch $0.once; exit 9; }\nexec \"$@\"", {"--max-restarts", "1"});
  EXPECT_EQ(child.wait(), 0) << output();
  EXPECT_NE(output().find("the run ended with exit code 9; restart 1 of 1"), std::string::npos) << output();
}

TEST_F(Supervise, AnErrorDoesNotStartAgain) {
  ChildProcess child = start("exit 3", {"--max-restarts", "1"});
  EXPECT_EQ(child.wait(), 3) << output();
  EXPECT_EQ(output().find("restart"), std::string::npos) << output();
}

}  // namespace
}  // namespace lf
