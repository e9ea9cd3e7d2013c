#include "core/threads.h"

#include <omp.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include "core/check.h"

// LLVM's OpenMP, where a compiler brings it: milliseconds for which a thread spins before it sleeps.
extern "C" __attribute__((weak)) void kmp_set_blocktime(int);

namespace lf {
namespace {

namespace fs = std::filesystem;

// A mounted hierarchy of control groups that limits CPU time, and this process's group in it.
struct ControlGroups {
  bool unified;         // version 2
  std::string mounted;  // where
  std::string top;      // the group that is mounted there
};

std::vector<std::string> fields_of(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, separator);) fields.push_back(field);
  return fields;
}

bool has_cpu(const std::string& names) {
  const std::vector<std::string> all = fields_of(names, ',');
  return std::find(all.begin(), all.end(), "cpu") != all.end();
}

// /proc/self/mountinfo: ID PARENT DEVICE TOP PLACE OPTIONS... - TYPE SOURCE OPTIONS
std::vector<ControlGroups> mounted_groups(const std::string& root) {
  std::vector<ControlGroups> result;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> fields = fields_of(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const bool unified = dash[1] == "cgroup2";
    if (unified || (dash[1] == "cgroup" && has_cpu(dash[3])))
      result.push_back({unified, fields[4], fields[3]});
  }
  return result;
}

// /proc/self/cgroup: NUMBER:CONTROLLERS:GROUP, without controllers in version 2.
std::string own_group(const std::string& root, bool unified) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (unified ? controllers.empty() : has_cpu(controllers)) return line.substr(second + 1);
  }
  return "/";
}

std::optional<double> ratio(const std::string& quota, const std::string& period) {
  const double time = std::strtod(quota.c_str(), nullptr), of = std::strtod(period.c_str(), nullptr);
  if (time <= 0 || of <= 0) return std::nullopt;  // "max" and -1 are no limit
  return time / of;
}

std::optional<double> quota_of(const fs::path& group, bool unified) {
  std::string quota, period;
  if (unified) {
    std::ifstream(group / "cpu.max") >> quota >> period;
  } else {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  return ratio(quota, period);
}

// The names from the mounted group down to the process's. In a container the group may be known by a name of
// the host's that is not there: then it is the mounted one.
fs::path path_below(const ControlGroups& groups, const std::string& group) {
  const fs::path below = fs::path(group).lexically_relative(groups.top);
  return below.empty() || *below.begin() == ".." || *below.begin() == "." ? fs::path() : below;
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
  std::optional<double> least;
  for (const ControlGroups& groups : mounted_groups(root)) {
    fs::path group = root + groups.mounted;
    const auto take = [&] {
      const std::optional<double> quota = quota_of(group, groups.unified);
      if (quota && (!least || *quota < *least)) least = quota;
    };
    take();
    for (const fs::path& name : path_below(groups, own_group(root, groups.unified))) {
      group /= name;
      take();
    }
  }
  return least;
}

ThreadChoice choose_threads(int allowed_cpus, std::optional<double> quota, const char* asked,
                            int openmp_count) {
  if (asked && *asked) return {openmp_count, text("OMP_NUM_THREADS is ", asked)};
  // One thread more than whole CPUs uses up a quota of 1.5; what it has left over waits for the next period.
  const int fed = quota ? std::max(1, static_cast<int>(std::min(std::ceil(*quota), 4096.0))) : allowed_cpus;
  if (fed < allowed_cpus) return {fed, text("the control group's quota is ", *quota, " CPUs")};
  return {allowed_cpus, text("CPUs that this process may use: ", allowed_cpus)};
}

ThreadChoice default_threads() {
  // OpenMP's count is of the CPUs at its start: where threads are bound, this one may have a single CPU by
  // now.
  static const ThreadChoice choice =
      choose_threads(omp_get_num_procs(), cpu_quota(), std::getenv("OMP_NUM_THREADS"), omp_get_max_threads());
  return choice;
}

void start_threads() {
  // LLVM's threads spin for as long as this says, whoever wants their CPUs.
  if (kmp_set_blocktime && !std::getenv("OMP_WAIT_POLICY") && !std::getenv("KMP_BLOCKTIME"))
    kmp_set_blocktime(0);
  use_threads(default_threads().count);
}

void use_threads(int64_t count) {
  if (count > 0) omp_set_num_threads(static_cast<int>(count));
}

int num_threads() { return omp_get_max_threads(); }

}  // namespace lf
