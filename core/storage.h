// Reference-counted memory with a cache of freed blocks per device and counters of what is in use.
// With LF_CHECKED_MEMORY fresh memory is filled with NaN and guard bytes behind every block are checked when
// it is freed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/block_pool.h"
#include "core/device.h"

namespace lf {

// Of Device::plan: of this thread's plan.
MemoryUse memory_use(Device device);
void reset_peak_memory(Device device);
void release_cached_memory(Device device);

// Counts bytes that a CPU kernel has for itself, as long as it lives.
class ScratchCount {
 public:
  explicit ScratchCount(int64_t bytes);
  ~ScratchCount();
  ScratchCount(const ScratchCount&) = delete;
  ScratchCount& operator=(const ScratchCount&) = delete;

 private:
  int64_t bytes_;
};

// A block of memory on a device, 64-byte aligned; the bytes are uninitialised.
class Storage {
 public:
  // `purpose` says what for (say "(8, 16384, 3072) bf16"); it is asked for an out-of-memory message alone.
  Storage(int64_t bytes, Device device, const std::function<std::string()>& purpose);
  // On a plan of the CPU: the same memory, seen from the CPU or from the plan. It is counted once.
  Storage(const std::shared_ptr<Storage>& same, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return block_.data; }  // null on Device::plan
  int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  void take_real(const std::function<std::string()>& purpose);

  int64_t bytes_ = 0;
  Device device_;
  Block block_;
  Block planned_;
  std::shared_ptr<BlockPool> plan_;  // where it is counted; null: in none
  std::shared_ptr<Storage> same_;
};

}  // namespace lf
