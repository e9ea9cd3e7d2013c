#include "trainers/measure/device_peaks.h"

#include <array>
#include <string_view>

#include "core/device_memory.h"

namespace lf {
namespace {

struct Peak {
  std::string_view name;  // how the driver's name begins, "NVIDIA " left out
  double bf16, f32;       // TFLOP/s
};

// NVIDIA's data sheets and architecture white papers. Products in bf16 are those of dense matrices (data
// sheets of Hopper and Ada print twice as much, "with sparsity") that add in f32. The first that fits counts,
// so a longer name comes before a shorter one.
constexpr auto kPeaks = std::to_array<Peak>({
    {"GH200", 989.5, 67},
    {"H200 NVL", 835.5, 60},
    {"H200", 989.5, 67},
    {"H800 PCIe", 756.5, 51},
    {"H800", 989.5, 67},
    {"H100 PCIe", 756.5, 51},
    {"H100 NVL", 835.5, 60},
    {"H100 80GB HBM3", 989.5, 67},
    {"A100", 312, 19.5},
    {"A800", 312, 19.5},
    {"A30", 165, 10.3},
    {"A40", 149.7, 37.4},
    {"A10", 125, 31.2},
    {"L40S", 362.05, 91.6},
    {"L40", 181.05, 90.5},
    {"L4", 121, 30.3},
    {"RTX A6000", 154.8, 38.7},
    {"RTX 6000 Ada", 364.2, 91.1},
    {"GeForce RTX 3090 Ti", 80, 40},
    {"GeForce RTX 3090", 71, 35.6},
    {"GeForce RTX 4090", 165.2, 82.6},
});

// Whether the name is `known` or goes on with a memory size or a form factor: an "A10G" is no "A10".
bool begins_with(std::string_view name, std::string_view known) {
  if (!name.starts_with(known)) return false;
  const std::string_view rest = name.substr(known.size());
  return rest.empty() || rest.starts_with(' ') || rest.starts_with("-SXM") || rest.starts_with("-PCIE");
}

// A slice of a device, or a slower one of the same name: what it could reach is not published.
bool is_lesser(std::string_view name) {
  return name.find(" MIG ") != name.npos || name.find(" Laptop") != name.npos || name.ends_with(" D");
}

}  // namespace

std::optional<double> published_peak(const std::string& device_name, DType dtype) {
  constexpr std::string_view kMaker = "NVIDIA ";
  std::string_view name = device_name;
  if (name.starts_with(kMaker)) name.remove_prefix(kMaker.size());
  if (is_lesser(name)) return std::nullopt;
  for (const Peak& peak : kPeaks) {
    if (!begins_with(name, peak.name)) continue;
    const double tflops = dtype == DType::bf16 ? peak.bf16 : dtype == DType::f32 ? peak.f32 : 0;
    return tflops > 0 ? std::optional(tflops * 1e12) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<double> peak_of(Device device, DType dtype) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) return published_peak(cuda::device_name(), dtype);
  }
  return std::nullopt;
}

}  // namespace lf
