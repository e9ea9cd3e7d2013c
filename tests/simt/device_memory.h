// The stand-in's device memory: one range of addresses that only kernels and the runtime's copies may touch.
// Host code that follows a device pointer dies, as it would beside a real device.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lf::simt {

// Opens device memory to the processor for as long as it lives.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

// Whether all the bytes lie in one block of device memory.
bool on_device(const void* data, size_t bytes);

// Copies from the processor's memory so far, and events that exist.
int64_t uploads();
int64_t live_events();

// Bytes that are allocated now.
int64_t used_device_memory();

// Makes the device's memory this small (for tests of its exhaustion); 0: 1 GiB again.
void limit_device_memory(int64_t bytes);

}  // namespace lf::simt
