// The device and its memory, in words that host code can include without CUDA's headers. Everything runs in
// order on one stream, so a block that was released may be handed out again at once. Errors name the remedy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace lf::cuda {

// "NVIDIA H200, compute capability 9.0, 132 multiprocessors, driver 13.0, runtime 13.0".
std::string describe_device();
// "NVIDIA H200", as the driver calls it.
std::string device_name();

// What the build holds for devices: "code for sm_80, sm_86, sm_89 and sm_90, PTX of compute_90 for newer
// ones".
std::string describe_code();
// What is to be known where the build has no code for the device, only PTX; else empty.
std::string first_use_notice();
// "compiled 31 kernels for compute capability 12.0 in 48 s" of those since the last call; empty if none.
std::string compiled_since();
// What a block of the device may have of shared memory.
int64_t shared_bytes_per_block();

// A block of device memory; null where there is too little.
void* allocate(int64_t bytes);
void release(void* block);

// Bytes of the device that are free and that it has.
struct DeviceMemory {
  int64_t free = 0, total = 0;
};
DeviceMemory device_memory();

void copy_to_device(void* to, const void* from, int64_t bytes);  // waits for no work; `from` may then change
void copy_to_host(void* to, const void* from, int64_t bytes);    // waits for all work before it
void copy_on_device(void* to, const void* from, int64_t bytes);
void fill_bytes(void* to, int byte, int64_t bytes);

// The device's own time for what `work` starts, from the first kernel's beginning to the last one's end.
double milliseconds_of(const std::function<void()>& work);

// Waits for all work; an error of an earlier kernel is thrown here.
void synchronize();

// How often the program has waited for the device so far: in synchronize() and copy_to_host().
int64_t waits();

// copy_to_host() for checks of memory itself: it is not counted.
void inspect(void* to, const void* from, int64_t bytes);

}  // namespace lf::cuda
