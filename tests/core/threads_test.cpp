// How many threads there are by CPU set and quota.
#include "core/threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/program.h"

namespace lf {
namespace {

// A machine's /proc and /sys.
class Quota : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& content) {
    const std::filesystem::path full = root_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << content;
  }
  void process(const std::string& groups, const std::string& mounts) {
    write("proc/self/cgroup", groups);
    write("proc/self/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw\n" + mounts);
  }
  void version_2(const std::string& group, const std::string& top = "/") {
    process("0::" + group + "\n",
            "38 31 0:31 " + top + " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  std::optional<double> quota() { return cpu_quota(root_.path()); }

  TemporaryFolder root_;
};

TEST_F(Quota, NoneWhereNothingIsMountedOrLimited) {
  EXPECT_EQ(quota(), std::nullopt);
  version_2("/user");
  EXPECT_EQ(quota(), std::nullopt);
  write("sys/fs/cgroup/user/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(Quota, TheLeastOfTheGroupAndThoseAbove) {
  version_2("/a/b/c");
  write("sys/fs/cgroup/a/b/c/cpu.max", "300000 100000\n");
  EXPECT_EQ(quota(), 3);
  write("sys/fs/cgroup/a/cpu.max", "75000 50000\n");
  EXPECT_EQ(quota(), 1.5);
  write("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
  write("sys/fs/cgroup/other/cpu.max", "10000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  write("sys/fs/cgroup/a/b/c/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

// Docker's view: the container's group is the mounted one, with or without a namespace of its own.
TEST_F(Quota, OfAContainer) {
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  version_2("/");
  EXPECT_EQ(quota(), 2);
  version_2("/docker/abc", "/docker/abc");
  EXPECT_EQ(quota(), 2);
  version_2("/docker/abc/inner", "/docker/abc");
  write("sys/fs/cgroup/inner/cpu.max", "100000 100000\n");
  EXPECT_EQ(quota(), 1);
  version_2("/../other");
  EXPECT_EQ(quota(), 2);
}

TEST_F(Quota, OfVersion1AndOfBothAtOnce) {
  process("4:memory:/m\n2:cpu,cpuacct:/a/b\n1:cpuset:/s\n0::/u\n",
          "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
          "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
          "34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  const std::string group = "sys/fs/cgroup/cpu,cpuacct/a";
  write(group + "/b/cpu.cfs_quota_us", "-1\n");
  write(group + "/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  write(group + "/cpu.cfs_quota_us", "250000\n");
  write(group + "/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 2.5);
  write("sys/fs/cgroup/unified/u/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2);
}

TEST(ChooseThreads, CpuSetQuotaAndTheUsersWord) {
  EXPECT_EQ(choose_threads(8, std::nullopt, nullptr, 8).count, 8);
  EXPECT_EQ(choose_threads(8, std::nullopt, nullptr, 8).reason, "CPUs that this process may use: 8");
  EXPECT_EQ(choose_threads(8, 2.0, nullptr, 8).count, 2);
  EXPECT_EQ(choose_threads(8, 2.5, nullptr, 8).count, 3);
  EXPECT_EQ(choose_threads(8, 2.5, nullptr, 8).reason, "the control group's quota is 2.5 CPUs");
  EXPECT_EQ(choose_threads(8, 0.1, nullptr, 8).count, 1);
  EXPECT_EQ(choose_threads(2, 7.5, nullptr, 2).count, 2);
  EXPECT_EQ(choose_threads(8, 1e300, nullptr, 8).count, 8);
  EXPECT_EQ(choose_threads(8, 2.0, "5", 5).count, 5);
  EXPECT_EQ(choose_threads(8, 2.0, "5", 5).reason, "OMP_NUM_THREADS is 5");
  EXPECT_EQ(choose_threads(8, 2.0, "", 8).count, 2);
}

nlohmann::json environment(const Program& program, const std::string& before) {
  const ProgramResult result = program.run({"env", "--json"}, "", {}, "unset OMP_NUM_THREADS; " + before);
  EXPECT_EQ(result.code, 0) << result.err;
  return nlohmann::json::parse(result.out);
}

TEST(StartedProgram, KeepsToItsCpuSetAndToTheUsersWord) {
  const Program program;
  cpu_set_t set;
  CPU_ZERO(&set);
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  int first = 0;
  while (!CPU_ISSET(first, &set)) ++first;
  const nlohmann::json one = environment(program, text("taskset -p -c ", first, " $$ >/dev/null; "));
  EXPECT_EQ(one.at("threads"), 1);
  EXPECT_EQ(one.at("threads_because"), "CPUs that this process may use: 1");
#ifndef __clang__  // there oneDNN's OpenMP binds this thread before the program's own counts its CPUs
  for (const std::string bound : {"OMP_PROC_BIND=true", "OMP_PLACES=cores"})
    EXPECT_EQ(environment(program, "export " + bound + "; ").at("threads"),
              environment(program, "").at("threads"));
#endif
  const nlohmann::json asked = environment(program, "export OMP_NUM_THREADS=3; ");
  EXPECT_EQ(asked.at("threads"), 3);
  EXPECT_EQ(asked.at("threads_because"), "OMP_NUM_THREADS is 3");
}

}  // namespace
}  // namespace lf
