#include "core/device.h"

#include "core/device_memory.h"
#include "core/out_of_memory.h"
#include "core/storage.h"

namespace lf {

void require(Device device) {
  if (device == Device::plan) return;
  try {
    Storage(0, device, [] { return std::string("a first block"); });
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {
    throw Error(text(error.what(), "; --set device=cpu, or --device cpu, uses the CPU"));
  }
}

void synchronize(Device device) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) cuda::synchronize();
  }
}

}  // namespace lf
