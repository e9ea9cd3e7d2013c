// Reference-counted memory with a cache of freed blocks per device and counters of what is in use.
// With LF_CHECKED_MEMORY fresh memory is filled with NaN and guard bytes behind every block are checked when
// it is freed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/device.h"

namespace lf {

// Bytes in use, their high-water mark, and bytes kept for reuse.
struct MemoryUse {
  int64_t live = 0, peak = 0, cached = 0;
};

MemoryUse memory_use(Device device);
void reset_peak_memory(Device device);  // the peak starts again from what is live now
void release_cached_memory(Device device);

// A block of memory on a device, 64-byte aligned; the bytes are uninitialised.
class Storage {
 public:
  // `purpose` says what for (say "(8, 16384, 3072) bf16"); it is asked for an out-of-memory message alone.
  Storage(int64_t bytes, Device device, const std::function<std::string()>& purpose);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0, capacity_ = 0;
  Device device_;
};

}  // namespace lf
