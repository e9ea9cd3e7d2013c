// The stand-in's device memory: one range of addresses that only kernels and the runtime's copies may touch.
// Host code that follows a device pointer dies, as it would beside a real device.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lf::simt {

// Opens device memory to the processor for as long as it lives; the device's mutex is held.
class OpenMemory {
 public:
  OpenMemory();
  ~OpenMemory();
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;
};

// What the computing stream does: behind all that this thread has put onto it, and alone.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

// A machine has several devices, a process one of them: whether the calling thread has set it. All calls of
// the runtime and of cuBLASLt that would use a thread's device refuse to run where it has not.
inline constexpr int kDevices = 2;
bool device_is_set();

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
