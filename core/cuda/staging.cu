#include "core/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "core/cuda/runtime.h"

namespace lf::cuda {

Staging::Staging() {
  device();
  void* memory = nullptr;
  const cudaError_t status = cudaMallocHost(&memory, static_cast<size_t>(kPieces * kPieceBytes));
  CHECK(status != cudaErrorMemoryAllocation, "device cuda: the CPU has no ", kPieces * kPieceBytes >> 20,
        " MiB of page-locked memory for copies; free some, or see ulimit -l");
  check(status, "reserving page-locked memory for copies");
  memory_ = static_cast<std::byte*>(memory);
  for (cudaEvent_t& event : read_) {
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  }
}

void Staging::copy(void* to, const void* from, int64_t bytes) {
  device();
  const std::lock_guard lock(mutex_);
  for (int64_t done = 0; done < bytes; done += kPieceBytes) {
    const auto size = static_cast<size_t>(std::min(kPieceBytes, bytes - done));
    const int64_t piece = next_++ % kPieces;
    const cudaEvent_t read = read_[static_cast<size_t>(piece)];
    check(cudaEventSynchronize(read), "waiting for an earlier copy");  // at once where there was none
    std::byte* staged = memory_ + piece * kPieceBytes;
    std::memcpy(staged, static_cast<const std::byte*>(from) + done, size);
    check(cudaMemcpyAsync(static_cast<std::byte*>(to) + done, staged, size, cudaMemcpyHostToDevice, stream()),
          "copying to the device");
    check(cudaEventRecord(read, stream()), "marking a copy's end");
  }
}

}  // namespace lf::cuda
