#include "core/device.h"

#include "core/cuda/memory.h"
#include "core/storage.h"

namespace lf {

void require(Device device) { Storage(0, device, "a first block"); }

void synchronize(Device device) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) cuda::synchronize();
  }
}

}  // namespace lf
