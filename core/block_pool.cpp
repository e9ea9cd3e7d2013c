#include "core/block_pool.h"

#include <algorithm>
#include <cstdlib>

#include "core/device_memory.h"
#include "core/format.h"
#include "core/out_of_memory.h"

namespace lf {
namespace {

constexpr int64_t kAlignment = 64;

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Rounds so that tensors of nearly the same size share blocks: less than a quarter is added.
int64_t capacity_for(int64_t bytes) {
  const int64_t wanted = std::max<int64_t>(bytes + kGuardBytes, kAlignment);
  int64_t step = kAlignment;
  while (step * 8 < wanted) step *= 2;
  return round_up(wanted, step);
}

void release(Device device, void* data) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) return cuda::release(data);
  }
  std::free(data);
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

}  // namespace

Block BlockPool::take(int64_t bytes, const std::function<std::string()>& purpose) {
  const std::lock_guard lock(mutex_);
  const int64_t wanted = capacity_for(bytes);
  Block block{.capacity = wanted};
  if (!take_cached(block)) {
    block.data = allocate(block.capacity);
    if (!block.data && device_ != Device::plan) {
      free_all();
      block.data = allocate(block.capacity);
    }
    if (!block.data && device_ != Device::plan) {
      throw OutOfMemory(text(name(device_), ": out of memory allocating ", purpose(), " = ",
                             format_bytes(static_cast<double>(bytes)), "; live ",
                             format_bytes(static_cast<double>(use_.live)), ", cached ",
                             format_bytes(static_cast<double>(cached())), device_memory_left(device_)));
    }
    reserved_ += block.capacity;
  }
  block.wanted = wanted;
  use_.live += wanted;
  use_.peak = std::max(use_.peak, use_.live);
  use_.touched += std::max<int64_t>(bytes - block.touched, 0);
  block.touched = std::max(block.touched, bytes);
  return block;
}

void BlockPool::give_back(const Block& block) {
  const std::lock_guard lock(mutex_);
  use_.live -= block.wanted;
  free_blocks_.emplace(block.capacity, block);
}

MemoryUse BlockPool::use() const {
  const std::lock_guard lock(mutex_);
  MemoryUse result = use_;
  result.cached = cached();
  return result;
}

void BlockPool::reset_peaks() {
  const std::lock_guard lock(mutex_);
  use_.peak = use_.live;
  use_.scratch_peak = use_.scratch;
}

void BlockPool::release_cached() {
  const std::lock_guard lock(mutex_);
  free_all();
}

void BlockPool::add_scratch(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  use_.scratch += bytes;
  use_.scratch_peak = std::max(use_.scratch_peak, use_.scratch);
}

bool BlockPool::take_cached(Block& block) {
  // Batches of documents differ in size: a larger block serves, too, but none that is much too large.
  const auto found = free_blocks_.lower_bound(block.capacity);
  if (found == free_blocks_.end() || found->first > 2 * block.capacity) return false;
  block = found->second;
  free_blocks_.erase(found);
  return true;
}

// The same few calls for either device; a build without CUDA never gets past the check in Storage.
std::byte* BlockPool::allocate(int64_t bytes) {
  if (device_ == Device::plan) return nullptr;
  if constexpr (kHasCuda) {
    if (device_ == Device::cuda) return static_cast<std::byte*>(cuda::allocate(bytes));
  }
  return static_cast<std::byte*>(std::aligned_alloc(kAlignment, static_cast<size_t>(bytes)));
}

void BlockPool::free_all() {
  for (const auto& [capacity, block] : free_blocks_) {
    if (block.data) release(device_, block.data);
    use_.touched -= block.touched;
    reserved_ -= block.capacity;
  }
  free_blocks_.clear();
}

}  // namespace lf
