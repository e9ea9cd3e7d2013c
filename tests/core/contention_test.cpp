// That waiting threads give way where others want the CPUs.
#include "core/contention.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/program.h"
#include "tests/testing.h"

namespace lf {
namespace {

TEST(TimeWithoutCpu, SumsOverThreads) {
  const TemporaryFolder root;
  EXPECT_EQ(seconds_without_cpu(root.path()), 0);
  const auto thread = [&](const std::string& name, const std::string& content) {
    const std::filesystem::path folder = root.path() + "/proc/self/task/" + name;
    std::filesystem::create_directories(folder);
    if (!content.empty()) std::ofstream(folder / "schedstat") << content << "\n";
  };
  thread("17", "9000000000 1500000000 12");
  thread("18", "");  // ended meanwhile
  EXPECT_EQ(seconds_without_cpu(root.path()), 1.5);
  thread("19", "0 250000000 3");
  EXPECT_EQ(seconds_without_cpu(root.path()), 1.75);
}

TEST(TimeWithoutCpu, IsTheKernelsOwn) {
  if (!std::filesystem::exists("/proc/self/schedstat")) GTEST_SKIP() << "this kernel keeps no schedstat";
  const unsigned cpus = std::thread::hardware_concurrency();
  std::atomic<bool> over = false;
  std::vector<std::jthread> busy;
  const double before = seconds_without_cpu();
  for (unsigned i = 0; i < 3 * cpus; ++i) {
    busy.emplace_back([&] {
      while (!over) {
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const double after = seconds_without_cpu();
  over = true;
  EXPECT_GT(after - before, 0.1);
}

TEST(Contention, BeginsAtOnceAndEndsAfterTwoCalmSeconds) {
  Contention contention;
  EXPECT_FALSE(contention.observe(0, 0.05));
  EXPECT_TRUE(contention.observe(0.05, 0.05));  // another program takes a whole CPU
  EXPECT_TRUE(contention.observe(0, 1.5));
  EXPECT_TRUE(contention.observe(0.3, 1));  // calm starts again
  EXPECT_TRUE(contention.observe(0.01, 1.5));
  EXPECT_FALSE(contention.observe(0, 0.5));
  EXPECT_TRUE(contention.observe(1, 1));
}

TEST(Contention, IsNotWhatAQuietMachineDoes) {
  Contention contention;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(contention.observe(i % 20 == 0 ? 0.02 : 0.0025, 0.05)) << i;
  EXPECT_TRUE(contention.observe(0.5, 2)) << "a quarter of a thread, for long";
}

std::set<std::string> threads_of(pid_t pid) {
  std::set<std::string> names;
  std::error_code gone;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (std::filesystem::directory_iterator task(tasks, gone), end; !gone && task != end;
       task.increment(gone)) {
    std::ifstream file(task->path() / "comm");
    std::string name;
    std::getline(file, name);
    names.insert(name);
  }
  return names;
}

// A training that does not end, beside threads that leave no CPU free.
std::set<std::string> threads_of_a_crowded_run(const std::string& variable, const std::string& wanted) {
  const TemporaryFolder folder;
  std::ofstream(folder / "config.yaml") << R"(
data: {path: sample, kind: bytes}
model: {layers: 2, width: 64, heads: 2, feed_forward: 128}
stages:
  list: [{name: a, sequence_length: 64, windows: [8, 16], learning_rate: 0.001, batch_size: 4, steps: 1000000}]
validation: {every_steps: 0}
)";
  std::atomic<bool> over = false;
  std::vector<std::jthread> busy;
  for (unsigned i = 0; i < 3 * std::thread::hardware_concurrency(); ++i) {
    busy.emplace_back([&] {
      while (!over) {
      }
    });
  }
  const std::string shell = "unset OMP_WAIT_POLICY GOMP_SPINCOUNT; " + variable + " exec \"$@\"";
  ChildProcess child({"/bin/sh", "-c", shell, "sh", program_path(), "train", folder / "config.yaml", "--out",
                      folder / "run"},
                     folder / "log", {"OMP_NUM_THREADS=2", "XDG_CACHE_HOME=" + folder.path()});
  std::set<std::string> names;
  for (int i = 0; i < 600 && !names.contains(wanted) && !child.ended_within(0.1); ++i)
    names = threads_of(child.pid());
  over = true;
  child.kill(SIGKILL);
  child.wait();
  return names;
}

TEST(ContentionWatch, CrowdsARunWithoutCpus) {
  if (!std::filesystem::exists("/proc/self/schedstat")) GTEST_SKIP() << "this kernel keeps no schedstat";
  EXPECT_TRUE(threads_of_a_crowded_run("", "longform-crowd").contains("longform-crowd"));
}

TEST(ContentionWatch, LeavesTheUsersChoiceAlone) {
  const std::set<std::string> names = threads_of_a_crowded_run("export OMP_WAIT_POLICY=active;", "signals");
  EXPECT_TRUE(names.contains("signals"));
  EXPECT_FALSE(names.contains("longform-watch"));
}

}  // namespace
}  // namespace lf
