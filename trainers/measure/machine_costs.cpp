#include "trainers/measure/machine_costs.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <system_error>

#include "core/file_paths.h"
#include "core/seconds.h"
#include "core/storage.h"
#include "core/tensor.h"
#include "core/weights/safetensors.h"

namespace lf {
namespace {

double first_touch_seconds() {
  constexpr size_t kBytes = 64 << 20;
  const auto memory = std::make_unique_for_overwrite<char[]>(kBytes);
  const auto write = [&] { std::memset(memory.get(), 1, kBytes); };
  const double first = seconds_of(write), again = seconds_of(write);
  return std::max(0.0, first - again) / static_cast<double>(kBytes);
}

// A folder of its own, removed with what is in it.
class ScratchFolder {
 public:
  ScratchFolder() : path_(temporary_folder() / ("longform-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  double save(int64_t elements) const {
    const Tensor x = Tensor::full({elements}, DType::f32, 1.0);
    return seconds_of([&] { write_safetensors(path_ / "tensors.safetensors", {{"x", x}}, {}); });
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

MachineCosts measure_costs() {
  constexpr int64_t kElements = 4 << 20;
  // The tensors of a checkpoint are two files; beside them are its manifest and what points to it.
  constexpr double kFiles = 4;
  const ScratchFolder folder;
  const double small = folder.save(1), large = folder.save(kElements);
  return {.first_touch = first_touch_seconds(),
          .save_byte = std::max(0.0, large - small) / static_cast<double>(4 * kElements),
          .save = kFiles * small};
}

int64_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  if (!(status >> pages >> resident)) return 0;
  return resident * sysconf(_SC_PAGESIZE);
}

int64_t least_resident_bytes() {
  release_cached_memory(Device::cpu);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return resident_bytes();
}

}  // namespace lf
