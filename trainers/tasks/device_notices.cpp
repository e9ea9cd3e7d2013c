#include "trainers/tasks/device_notices.h"

#include "core/device_memory.h"
#include "core/kernels/attention/choice.h"
#include "trainers/tasks/task.h"

namespace lf {

std::vector<std::string> device_notices(const RunConfig& config, const std::vector<int64_t>& head_widths,
                                        bool relative) {
  std::vector<std::string> result;
  if (config.device != Device::cuda) return result;
  int64_t shared_bytes = 0;
  if constexpr (kHasCuda) {
    try {
      shared_bytes = cuda::shared_bytes_per_block();
      if (const std::string notice = cuda::first_use_notice(); !notice.empty()) result.push_back(notice);
    } catch (const Error&) {
      // No device here; that is said where one is needed.
    }
  }
  if (config.attention.implementation != AttentionImplementation::fused) return result;
  for (const int64_t width : head_widths) {
    const std::string why = why_plain_attention(compute_dtype(config), width, relative, shared_bytes);
    if (why.empty()) continue;
    result.push_back("attention runs on the slow plain kernels, which are for checks: " + why);
    break;
  }
  return result;
}

std::string compilation_notice(Device device) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) return cuda::compiled_since();
  }
  return "";
}

}  // namespace lf
