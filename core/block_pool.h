// Blocks of memory of one device: freed ones are kept for reuse, and what is in use is counted. On
// Device::plan blocks have no memory, and the counts are those that another device's pool would have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "core/device.h"

namespace lf {

// Bytes in use, their high-water mark, and bytes kept for reuse.
struct MemoryUse {
  int64_t live = 0, peak = 0, cached = 0;
  // Of all blocks, those kept for reuse too: bytes that were ever part of a tensor. The system gives a
  // process memory when it is written, so this is what the blocks cost it.
  int64_t touched = 0;
  // What kernels have for themselves while they run, and its high-water mark.
  int64_t scratch = 0, scratch_peak = 0;
};

struct Block {
  std::byte* data = nullptr;
  int64_t capacity = 0;
  int64_t wanted = 0;   // of it, what counts as in use: the capacity of a block of its own
  int64_t touched = 0;  // bytes from its begin on that were part of a tensor
};

class BlockPool {
 public:
  explicit BlockPool(Device device) : device_(device) {}
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block of at least so many bytes, if possible one that was freed; where there is no memory an
  // OutOfMemory that says what for.
  Block take(int64_t bytes, const std::function<std::string()>& purpose);
  void give_back(const Block& block);

  MemoryUse use() const;
  void reset_peaks();  // they start again from what is live now
  void release_cached();
  void add_scratch(int64_t bytes);  // negative: no longer needed

 private:
  int64_t cached() const { return reserved_ - use_.live; }
  bool take_cached(Block& block);
  std::byte* allocate(int64_t bytes);
  void free_all();

  const Device device_;
  mutable std::mutex mutex_;
  std::multimap<int64_t, Block> free_blocks_;  // by capacity
  MemoryUse use_;                              // but for `cached`
  int64_t reserved_ = 0;                       // of all blocks
};

// Bytes of guard behind every block; none unless built with LF_CHECKED_MEMORY.
#ifdef LF_CHECKED_MEMORY
inline constexpr int64_t kGuardBytes = 64;
#else
inline constexpr int64_t kGuardBytes = 0;
#endif

}  // namespace lf
