// longform env [--json]: the build, the machine and the libraries, for reports.
#include <dnnl.h>
#include <sys/sysinfo.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "core/device.h"
#include "core/device_memory.h"
#include "core/format.h"
#include "core/json.h"
#include "core/storage.h"
#include "core/threads.h"
#include "hwy/targets.h"

namespace lf::cli {
namespace {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// The best instruction set of those the kernels were compiled for.
std::string simd_target() {
  const int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);
}

// The device, or why there is none.
std::string cuda_device() {
  if constexpr (kHasCuda) {
    try {
      return cuda::describe_device();
    } catch (const Error& error) {
      return error.what();
    }
  }
  return "not built in; scripts/build cuda makes a build that has it";
}

// What the build has for devices.
std::string cuda_code() {
  if constexpr (kHasCuda) return cuda::describe_code();
  return "none";
}

nlohmann::ordered_json environment() {
  struct sysinfo info = {};
  sysinfo(&info);
  const dnnl_version_t* onednn = dnnl_version();
  const int64_t memory = static_cast<int64_t>(info.totalram) * info.mem_unit;
  return {{"version", LF_VERSION},
          {"build", LF_BUILD_TYPE},
          {"compiler", text("C++ ", __VERSION__)},
          {"cpu", cpu_name()},
          {"threads", num_threads()},
          {"threads_because", default_threads().reason},
          {"simd", simd_target()},
          {"memory_bytes", memory},
          {"memory", format_bytes(memory)},
          {"onednn", text(onednn->major, '.', onednn->minor, '.', onednn->patch)},
          {"cuda", cuda_device()},
          {"cuda_code", cuda_code()}};
}

}  // namespace

void add_env(const Verb& app, Outcome&) {
  auto json = std::make_shared<bool>(false);
  const Verb verb = app.verb("env", "Describe the build, the machine and the libraries.");
  verb.flag("--json", json.get(), "One JSON object on standard output");
  verb.action([json] {
    const nlohmann::ordered_json result = environment();
    if (*json) {
      std::printf("%s\n", json_line(result).c_str());
      return;
    }
    for (const auto& [key, value] : result.items()) {
      if (key == "memory_bytes") continue;
      std::printf("%-15s %s\n", key.c_str(),
                  value.is_string() ? value.get<std::string>().c_str() : json_line(value).c_str());
    }
  });
}

}  // namespace lf::cli
