#include "core/storage.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/device_memory.h"
#include "core/messages.h"
#include "core/plan.h"

namespace lf {
namespace {

constexpr unsigned char kGuard = 0xA5;
constexpr bool kChecked = kGuardBytes > 0;

// Of a device that has memory.
BlockPool& pool(Device device) {
  // Never destroyed: tensors in other statics may outlive it.
  static auto* pools = new std::array<BlockPool, 2>{BlockPool(Device::cpu), BlockPool(Device::cuda)};
  return (*pools)[device == Device::cuda];
}

BlockPool& counted_pool(Device device) {
  return device == Device::plan ? *Plan::of_thread().pool() : pool(device);
}

void fill(Device device, void* data, int byte, int64_t bytes) {
  if constexpr (kHasCuda) {
    if (device == Device::cuda) return cuda::fill_bytes(data, byte, bytes);
  }
  std::memset(data, byte, static_cast<size_t>(bytes));
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

ScratchCount::ScratchCount(int64_t bytes) : bytes_(bytes) { pool(Device::cpu).add_scratch(bytes_); }
ScratchCount::~ScratchCount() { pool(Device::cpu).add_scratch(-bytes_); }

Storage::Storage(int64_t bytes, Device device, const std::function<std::string()>& purpose)
    : bytes_(bytes), device_(device) {
  CHECK(device != Device::cuda || kHasCuda,
        "device cuda: this build has no CUDA; scripts/build cuda makes one that has");
  if (device != Device::plan) take_real(purpose);
  // What a plan imitates has one memory: tensors that are there anyway count too.
  if (device == Device::plan || (Plan::current() && Plan::current()->imitated() == device)) {
    plan_ = Plan::of_thread().pool();
    planned_ = plan_->take(bytes, purpose);
  }
}

Storage::Storage(const std::shared_ptr<Storage>& same, Device device)
    : bytes_(same->bytes_), device_(device), same_(same) {
  if (device != Device::plan) take_real([] { return "a planned tensor's values"; });
}

void Storage::take_real(const std::function<std::string()>& purpose) {
  block_ = pool(device_).take(bytes_, purpose);
  if (kChecked) poison(device_, block_.data, bytes_, block_.capacity);
}

Storage::~Storage() {
  if (block_.data) {
    if (kChecked) check_guard(device_, block_.data, bytes_, block_.capacity);
    pool(device_).give_back(block_);
  }
  if (plan_) plan_->give_back(planned_);
}

MemoryUse memory_use(Device device) { return counted_pool(device).use(); }
void reset_peak_memory(Device device) { counted_pool(device).reset_peaks(); }
void release_cached_memory(Device device) { counted_pool(device).release_cached(); }

}  // namespace lf
