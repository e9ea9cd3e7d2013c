// Copies to the device for which nobody waits: page-locked memory holds the bytes until the device has read
// them.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace lf::cuda {

// A ring of page-locked pieces. The copy from ordinary memory would make the runtime wait for all work before
// it.
class Staging {
 public:
  Staging();

  // Starts the copy on the stream; returns once `from` may change. Waits only where the ring is full, for its
  // oldest piece.
  void copy(void* to, const void* from, int64_t bytes);

 private:
  // A list or a number takes a whole piece: more pieces than an update has copies.
  static constexpr int kPieces = 1024;
  static constexpr int64_t kPieceBytes = 32 * 1024;

  std::mutex mutex_;
  std::byte* memory_ = nullptr;
  std::array<cudaEvent_t, kPieces> read_{};  // when the device has read a piece
  int64_t next_ = 0;
};

}  // namespace lf::cuda
