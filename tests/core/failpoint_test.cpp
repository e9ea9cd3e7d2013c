// Failpoints do nothing unless told, kill at the right moment, and are read from the environment.
#include "core/failpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "core/files.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

class ScopedFailpoint {
 public:
  explicit ScopedFailpoint(const char* setting) {
    ::setenv("LF_FAILPOINT", setting, 1);
    read_failpoint_environment();
  }
  ~ScopedFailpoint() {
    ::unsetenv("LF_FAILPOINT");
    read_failpoint_environment();
  }
};

// How many times a child passes failpoint("here") before LF_FAILPOINT kills it; -1 if it survives ten.
int passes_until_killed(const char* setting) {
  int pipe[2];
  CHECK(::pipe(pipe) == 0, "no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("LF_FAILPOINT", setting, 1);
    read_failpoint_environment();
    for (int i = 0; i < 10; ++i) {
      failpoint("elsewhere");
      failpoint("here");
      if (::write(pipe[1], "x", 1) != 1) ::_exit(2);
    }
    ::_exit(0);
  }
  ::close(pipe[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  char passed[16];
  const auto count = static_cast<int>(::read(pipe[0], passed, sizeof passed));
  ::close(pipe[0]);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return count;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 && count == 10 ? -1 : -2;
}

TEST(Failpoint, KillsAtTheHitThatWasAskedFor) {
  EXPECT_EQ(passes_until_killed("here"), 0);
  EXPECT_EQ(passes_until_killed("here:1"), 0);
  EXPECT_EQ(passes_until_killed("here:4"), 3);
  EXPECT_EQ(passes_until_killed("here:11"), -1);
  EXPECT_EQ(passes_until_killed("her"), -1);
  EXPECT_EQ(passes_until_killed(""), -1);
}

TEST(Failpoint, FullDiskIsReportedOnce) {
  const ScopedFailpoint armed("here:2=enospc");
  EXPECT_EQ(failpoint("here"), 0);
  EXPECT_EQ(failpoint("elsewhere"), 0);
  EXPECT_EQ(failpoint("here"), ENOSPC);
  EXPECT_EQ(failpoint("here"), 0);
}

TEST(Failpoint, StaysUntilAFileExists) {
  const TemporaryFolder folder;
  const std::string setting = "here:2=until:" + folder / "go:on";
  const ScopedFailpoint armed(setting.c_str());
  EXPECT_EQ(failpoint("here"), 0);
  std::atomic<bool> passed = false;
  std::thread other([&] {
    EXPECT_EQ(failpoint("here"), 0);
    passed = true;
  });
  while (::access((folder / "go:on.reached").c_str(), F_OK) != 0) ::usleep(1000);
  ::usleep(20'000);
  EXPECT_FALSE(passed);
  write_file_atomically(folder / "go:on", "");
  other.join();
  EXPECT_EQ(failpoint("here"), 0);
}

TEST(Failpoint, IdleWithoutTheVariable) {
  EXPECT_EQ(internal::armed_failpoint, nullptr);
  EXPECT_EQ(failpoint("here"), 0);
}

TEST(Failpoint, NonsenseIsRefused) {
  for (const char* setting :
       {"here:", "here:0", "here:-1", "here:two", "here=full", "here=until:", "=enospc", ":2"}) {
    const ScopedFailpoint armed(setting);
    EXPECT_ERROR(failpoint("here"), std::string("LF_FAILPOINT=") + setting + ": expected NAME");
  }
}

// Run by the test below in a program of its own, as the variable is read when a program starts.
TEST(Failpoint, DISABLED_PassesOnePlace) { failpoint("test.place"); }

TEST(Failpoint, IsReadWhenTheProgramStarts) {
  const auto status_with = [](const char* setting) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("LF_FAILPOINT", setting, 1);
      (void)!::freopen("/dev/null", "w", stdout);
      ::execl("/proc/self/exe", "tests", "--gtest_also_run_disabled_tests",
              "--gtest_filter=Failpoint.DISABLED_PassesOnePlace", nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  };
  const int killed = status_with("test.place");
  EXPECT_TRUE(WIFSIGNALED(killed) && WTERMSIG(killed) == SIGKILL) << killed;
  EXPECT_EQ(status_with("other.place"), 0);
}

}  // namespace
}  // namespace lf
