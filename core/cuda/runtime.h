// The CUDA runtime as the kernels see it: one device, one stream, checked calls. For .cu files.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "core/check.h"

namespace lf::cuda {

// Throws an Error that says what failed, in the runtime's words, and the remedy where one is known.
void check(cudaError_t status, const char* what);

// The device of this process, which is the calling thread's from here on. The first call chooses it and
// throws an Error where there is none, where the driver is too old, or where the device cannot run this
// build's code.
struct DeviceProperties {
  std::string name;
  int index = 0;
  int major = 0, minor = 0, multiprocessors = 0;
  int64_t shared_bytes_per_block = 0;  // the most that a kernel may ask for
  bool has_code = true;                // else the driver compiles a kernel's PTX at its first use
};
const DeviceProperties& device();

// Before a kernel's launch on a device without code: compiles it, and keeps the time.
void compile(const void* kernel);

// The stream on which everything runs.
cudaStream_t stream();

}  // namespace lf::cuda
