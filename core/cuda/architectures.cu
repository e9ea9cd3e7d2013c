#include "core/cuda/architectures.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <set>
#include <sstream>

#include "core/cuda/runtime.h"
#include "core/device_memory.h"

namespace lf::cuda {
namespace {

// "sm_80, sm_86 and sm_90".
std::string listed(const std::string& prefix, const std::vector<int>& numbers) {
  std::string result;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) result += i + 1 == numbers.size() ? " and " : ", ";
    result += text(prefix, numbers[i]);
  }
  return result;
}

std::string capability() { return text("compute capability ", device().major, '.', device().minor); }

// Kernels that were compiled at their first use.
struct Compiled {
  std::mutex mutex;
  std::set<const void*> kernels;
  size_t told = 0;
  double seconds = 0;  // since compiled_since()
};
Compiled& compiled() {
  static auto& the_compiled = *new Compiled;
  return the_compiled;
}

}  // namespace

bool BuiltCode::runs_on(int major, int minor) const {
  return std::any_of(binaries.begin(), binaries.end(),
                     [&](int code) { return code / 10 == major && code % 10 <= minor; });
}

BuiltCode parse_architectures(const std::string& list) {
  BuiltCode result;
  std::istringstream words(list);
  for (std::string word; words >> word;) {
    const int number = std::atoi(word.c_str());
    const bool real = word.find("-real") != std::string::npos;
    const bool virtual_only = word.find("-virtual") != std::string::npos;
    if (!virtual_only) result.binaries.push_back(number);
    if (!real) result.ptx.push_back(number);
  }
  return result;
}

const BuiltCode& built_code() {
  static const BuiltCode code = parse_architectures(LF_CUDA_ARCHITECTURES);
  return code;
}

std::string describe(const BuiltCode& code) {
  const std::string binaries = code.binaries.empty() ? "" : "code for " + listed("sm_", code.binaries);
  const std::string ptx =
      code.ptx.empty() ? "" : "PTX of " + listed("compute_", code.ptx) + " for newer devices";
  return binaries + (binaries.empty() || ptx.empty() ? "" : ", ") + ptx;
}

std::string describe_code() { return describe(built_code()); }

std::string first_use_notice() {
  if (device().has_code) return "";
  return text(device().name, " has ", capability(), ", and this build has ", describe_code(),
              ": the driver compiles each kernel at its first use and keeps it (in ~/.nv/ComputeCache) for "
              "later runs");
}

void compile(const void* kernel) {
  const std::lock_guard lock(compiled().mutex);
  if (!compiled().kernels.insert(kernel).second) return;
  const auto start = std::chrono::steady_clock::now();
  cudaFuncAttributes attributes;
  check(cudaFuncGetAttributes(&attributes, kernel), "compiling a kernel");
  compiled().seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string compiled_since() {
  const std::lock_guard lock(compiled().mutex);
  const size_t count = compiled().kernels.size() - compiled().told;
  if (count == 0) return "";
  const std::string result = text("compiled ", count, " kernels for ", capability(), " in ",
                                  std::round(compiled().seconds * 10) / 10, " s");
  compiled().told += count, compiled().seconds = 0;
  return result;
}

}  // namespace lf::cuda
