// The stand-in's runtime calls; see include/cuda_runtime.h.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "core/cuda/device_code.h"
#include "tests/simt/device_memory.h"
#include "tests/simt/nccl.h"
#include "tests/simt/streams.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)0)
#endif

namespace lf::simt {
namespace {

constexpr size_t kDefaultBytes = size_t{1} << 30;
constexpr size_t kAlignment = 256;

// A range of addresses cut into blocks, each with a gap behind it that AddressSanitizer watches.
class Arena {
 public:
  Arena() {
    void* memory = ::mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    base_ = static_cast<std::byte*>(memory);
  }

  void* allocate(size_t bytes) {
    const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
    if (used_ + bytes > limit_) return nullptr;
    size_t at = 0;  // first fit
    for (const auto& [begin, block] : blocks_) {
      if (begin - at >= size) break;
      at = begin + block.size;
    }
    if (at + size > kReserved) return nullptr;
    blocks_[at] = {size, bytes};
    used_ += bytes;
    ASAN_UNPOISON_MEMORY_REGION(base_ + at, bytes);
    ASAN_POISON_MEMORY_REGION(base_ + at + bytes, size - bytes);
    return base_ + at;
  }

  bool release(void* data) {
    const auto found = blocks_.find(static_cast<size_t>(static_cast<std::byte*>(data) - base_));
    if (found == blocks_.end()) return false;
    ASAN_POISON_MEMORY_REGION(data, found->second.bytes);
    used_ -= found->second.bytes;
    blocks_.erase(found);
    return true;
  }

  void open() {
    if (open_++ == 0) ::mprotect(base_, kReserved, PROT_READ | PROT_WRITE);
  }
  void close() {
    if (--open_ == 0) ::mprotect(base_, kReserved, PROT_NONE);
  }

  // Whether all the bytes lie in one block.
  bool holds(const void* data, size_t bytes) const {
    const auto* at = static_cast<const std::byte*>(data);
    if (at < base_ || at >= base_ + kReserved) return false;
    const auto offset = static_cast<size_t>(at - base_);
    auto block = blocks_.upper_bound(offset);
    if (block == blocks_.begin()) return false;
    --block;
    return offset + bytes <= block->first + block->second.bytes;
  }

  size_t used() const { return used_; }
  size_t limit() const { return limit_; }
  void set_limit(size_t bytes) { limit_ = bytes; }

 private:
  static constexpr size_t kReserved = size_t{1} << 34;
  struct Block {
    size_t size, bytes;
  };
  std::byte* base_ = nullptr;
  std::map<size_t, Block> blocks_;
  size_t used_ = 0, limit_ = kDefaultBytes;
  int open_ = 0;
};

Arena& arena() {
  static auto* the_arena = new Arena;
  return *the_arena;
}

// Page-locked memory, and the copies from it that are put off until something follows them on the stream: a
// caller that changes the memory too early copies the wrong bytes.
struct PutOffCopy {
  void* to;
  const void* from;
  size_t bytes;
};
struct HostMemory {
  std::map<const std::byte*, size_t> blocks;
  std::vector<PutOffCopy> copies;
  size_t finished = 0;  // copies that were made, ever

  bool holds(const void* data) const {
    const auto* at = static_cast<const std::byte*>(data);
    const auto after = blocks.upper_bound(at);
    return after != blocks.begin() && at < std::prev(after)->first + std::prev(after)->second;
  }
  void finish(size_t count) {
    count = std::min(count, copies.size());
    arena().open();
    for (size_t i = 0; i < count; ++i) std::memcpy(copies[i].to, copies[i].from, copies[i].bytes);
    arena().close();
    copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(count));
    finished += count;
  }
};

HostMemory& host_memory() {
  static auto* the_memory = new HostMemory;
  return *the_memory;
}

int64_t uploads_so_far = 0;

// The device that was chosen first, which holds all memory, and the calling thread's. A thread has none until
// it chooses; the runtime's would be the first, which may be another process's.
constexpr int kNone = -1;
std::atomic<int> process_device = kNone;
thread_local int thread_device = kNone;
// Where the device says that it is: ranks of a test are threads, which have one each.
std::atomic<int> gpus = 0;
thread_local int thread_gpu = kNone;

// Whether the copy is from page-locked memory.
bool put_off(void* to, const void* from, size_t bytes) {
  const std::lock_guard lock(device_mutex());
  if (!host_memory().holds(from)) return false;
  ++uploads_so_far;
  host_memory().copies.push_back({to, from, bytes});
  return true;
}

void finish_copies() { host_memory().finish(host_memory().copies.size()); }

}  // namespace

OpenMemory::OpenMemory() { arena().open(); }
OpenMemory::~OpenMemory() { arena().close(); }

DeviceAccess::DeviceAccess() {
  wait_for_awaited();
  device_mutex().lock();
  finish_copies();  // those before whatever follows them on the stream
  arena().open();
}
DeviceAccess::~DeviceAccess() {
  arena().close();
  device_mutex().unlock();
}

size_t started_copies() { return host_memory().finished + host_memory().copies.size(); }
void finish_copies_before(size_t count) {
  if (count > host_memory().finished) host_memory().finish(count - host_memory().finished);
}

bool device_is_set() { return thread_device != kNone && thread_device == process_device; }

bool on_device(const void* data, size_t bytes) {
  const std::lock_guard lock(device_mutex());
  return arena().holds(data, bytes);
}

void use_gpu(int number) { thread_gpu = number; }

int64_t uploads() { return uploads_so_far; }

int64_t used_device_memory() { return static_cast<int64_t>(arena().used()); }

void limit_device_memory(int64_t bytes) {
  arena().set_limit(bytes > 0 ? static_cast<size_t>(bytes) : kDefaultBytes);
}

}  // namespace lf::simt

using lf::simt::arena;
using lf::simt::device_is_set;
using lf::simt::device_mutex;
using lf::simt::DeviceAccess;
using lf::simt::finish_copies;
using lf::simt::host_memory;
using lf::simt::kNone;
using lf::simt::on_device;
using lf::simt::process_device;
using lf::simt::put_off;
using lf::simt::thread_device;
using lf::simt::thread_gpu;
using lf::simt::uploads_so_far;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = std::getenv("LF_SIMT_NO_DEVICE") ? 0 : lf::simt::kDevices;
  return *count ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= lf::simt::kDevices) return cudaErrorInvalidDevice;
  int none = kNone;
  process_device.compare_exchange_strong(none, device);
  thread_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"host executor", 8, 0, 2, 163 * 1024};
  if (const char* capability = std::getenv("LF_SIMT_CAPABILITY"))  // such as 12.0
    std::sscanf(capability, "%d.%d", &properties->major, &properties->minor);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  if (thread_gpu == kNone) thread_gpu = 1000 + lf::simt::gpus++;
  std::snprintf(id, static_cast<size_t>(length), "0000:%04X:00.0", static_cast<unsigned>(thread_gpu));
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** block, size_t bytes) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  *block = arena().allocate(bytes);
  return *block ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* block) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  finish_copies();
  return !block || arena().release(block) ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaMallocHost(void** block, size_t bytes) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  *block = std::malloc(bytes);
  host_memory().blocks[static_cast<const std::byte*>(*block)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const std::lock_guard lock(device_mutex());
  *total = arena().limit();
  *free = arena().limit() - std::min(arena().limit(), arena().used());
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  const bool to_device = kind != cudaMemcpyDeviceToHost, from_device = kind != cudaMemcpyHostToDevice;
  if (on_device(to, bytes) != to_device || on_device(from, bytes) != from_device)
    return cudaErrorInvalidValue;
  if (kind == cudaMemcpyHostToDevice && put_off(to, from, bytes)) return cudaSuccess;
  const DeviceAccess access;
  if (to_device && !from_device) ++uploads_so_far;
  std::memmove(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  if (!on_device(to, bytes)) return cudaErrorInvalidValue;
  const DeviceAccess access;
  std::memset(to, byte, bytes);
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) {
  return device_is_set() ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  if (!device_is_set()) return cudaErrorInvalidDevice;
  return cudaSuccess;
}
const char* cudaGetErrorName(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    default:
      return "cudaErrorInvalidValue";
  }
}
const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    default:
      return "invalid argument";
  }
}
