#include "core/storage.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "core/device_memory.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/out_of_memory.h"

namespace lf {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kGuardBytes = 64;
constexpr unsigned char kGuard = 0xA5;

#ifdef LF_CHECKED_MEMORY
constexpr bool kChecked = true;
#else
constexpr bool kChecked = false;
#endif

// Freed blocks by capacity, and the counters, of one device.
struct Pool {
  std::mutex mutex;
  std::multimap<int64_t, void*> free_blocks;
  MemoryUse use;
};

Pool& pool(Device device) {
  // Never destroyed: tensors in other statics may outlive it.
  static auto* pools = new std::array<Pool, 2>;
  return (*pools)[device == Device::cuda];
}

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Rounds so that tensors of nearly the same size share blocks: less than a quarter is added.
int64_t capacity_for(int64_t bytes) {
  const int64_t wanted = std::max<int64_t>(bytes + (kChecked ? kGuardBytes : 0), kAlignment);
  int64_t step = kAlignment;
  while (step * 8 < wanted) step *= 2;
  return round_up(wanted, step);
}

void* take_cached(Pool& p, int64_t capacity) {
  const auto block = p.free_blocks.find(capacity);
  if (block == p.free_blocks.end()) return nullptr;
  void* data = block->second;
  p.free_blocks.erase(block);
  p.use.cached -= capacity;
  return data;
}

// The same few calls for either device; a build without CUDA never gets past the check in Storage.
void* allocate(Device device, int64_t bytes) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) return cuda::allocate(bytes);
  }
  return std::aligned_alloc(kAlignment, static_cast<size_t>(bytes));
}

void release(Device device, void* data) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) return cuda::release(data);
  }
  std::free(data);
}

void fill(Device device, void* data, int byte, int64_t bytes) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) return cuda::fill_bytes(data, byte, bytes);
  }
  std::memset(data, byte, static_cast<size_t>(bytes));
}

// ", of 139.8 GiB on the device 3.0 GiB are free" where that is known.
std::string device_memory_left(Device device) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) {
      const auto [free, total] = cuda::device_memory();
      return text(", of the device's ", format_bytes(static_cast<double>(total)), ' ',
                  format_bytes(static_cast<double>(free)), " are free");
    }
  }
  return "";
}

void free_all(Pool& p, Device device) {
  for (const auto& [capacity, data] : p.free_blocks) release(device, data);
  p.free_blocks.clear();
  p.use.cached = 0;
}

void poison(Device device, std::byte* data, int64_t bytes, int64_t capacity) {
  fill(device, data, 0xFF, bytes);  // every float type reads this as NaN
  fill(device, data + bytes, kGuard, capacity - bytes);
}

void check_guard(Device device, const std::byte* data, int64_t bytes, int64_t capacity) {
  std::vector<std::byte> copied;
  if constexpr (kHasCuda) {
    if (device == Device::cuda) {
      copied.resize(static_cast<size_t>(capacity));
      if (capacity > bytes) cuda::inspect(copied.data() + bytes, data + bytes, capacity - bytes);
      data = copied.data();
    }
  }
  for (int64_t i = bytes; i < capacity; ++i) {
    if (static_cast<unsigned char>(data[i]) == kGuard) continue;
    // A destructor cannot throw, and memory is already damaged: stop where it was found.
    messages::error(
        text("a kernel wrote ", i - bytes, " bytes past the end of a block of ", bytes, " bytes"));
    std::abort();
  }
}

}  // namespace

Storage::Storage(int64_t bytes, Device device, const std::function<std::string()>& purpose)
    : bytes_(bytes), capacity_(capacity_for(bytes)), device_(device) {
  CHECK(device == Device::cpu || kHasCuda,
        "device cuda: this build has no CUDA; scripts/build cuda makes one that has");
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  void* data = take_cached(p, capacity_);
  if (!data) data = allocate(device, capacity_);
  if (!data) {
    free_all(p, device);
    data = allocate(device, capacity_);
  }
  if (!data) {
    throw OutOfMemory(text(name(device), ": out of memory allocating ", purpose(), " = ",
                           format_bytes(static_cast<double>(bytes)), "; live ",
                           format_bytes(static_cast<double>(p.use.live)), ", cached ",
                           format_bytes(static_cast<double>(p.use.cached)), device_memory_left(device)));
  }
  data_ = static_cast<std::byte*>(data);
  p.use.live += capacity_;
  p.use.peak = std::max(p.use.peak, p.use.live);
  if (kChecked) poison(device_, data_, bytes_, capacity_);
}

Storage::~Storage() {
  if (kChecked) check_guard(device_, data_, bytes_, capacity_);
  Pool& p = pool(device_);
  const std::lock_guard lock(p.mutex);
  p.use.live -= capacity_;
  p.use.cached += capacity_;
  p.free_blocks.emplace(capacity_, data_);
}

MemoryUse memory_use(Device device) {
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  return p.use;
}

void reset_peak_memory(Device device) {
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  p.use.peak = p.use.live;
}

void release_cached_memory(Device device) {
  Pool& p = pool(device);
  const std::lock_guard lock(p.mutex);
  free_all(p, device);
}

}  // namespace lf
