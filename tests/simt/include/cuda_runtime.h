// A stand-in for the part of CUDA's runtime and language that Longform uses: kernels become plain C++ and run
// on the host executor, device memory is host memory that only kernels and copies may touch. Test only.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tests/simt/executor.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::lf::simt::thread_index())
#define blockIdx (::lf::simt::block_index())
#define blockDim (::lf::simt::block_size())
#define gridDim (::lf::simt::grid_size())

using dim3 = ::lf::simt::Index3;
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

inline void __syncthreads() { ::lf::simt::block_barrier(); }
inline void __syncwarp(unsigned lanes = 0xffffffffu) { ::lf::simt::warp_barrier(lanes); }
template <class T>
T __shfl_xor_sync(unsigned lanes, T value, int mask) {
  return ::lf::simt::shuffle(
      lanes, value, [mask](int lane) { return lane ^ mask; }, "shfl_xor");
}
template <class T>
T __shfl_sync(unsigned lanes, T value, int from) {
  return ::lf::simt::shuffle(
      lanes, value, [from](int) { return from & 31; }, "shfl");
}
template <class T>
T __shfl_up_sync(unsigned lanes, T value, unsigned by) {
  return ::lf::simt::shuffle(
      lanes, value,
      [by](int lane) { return lane < static_cast<int>(by) ? lane : lane - static_cast<int>(by); }, "shfl_up");
}

template <class T>
unsigned __match_any_sync(unsigned lanes, T value) {
  return ::lf::simt::match_any(lanes, value);
}
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline unsigned __ballot_sync(unsigned lanes, int predicate) {
  struct Vote {
    bool mine;
    unsigned all;
  };
  ::lf::simt::require_all_lanes(lanes, "ballot");
  Vote vote{predicate != 0, 0};
  ::lf::simt::meet("ballot", &vote, [](const ::lf::simt::WarpArguments& votes) {
    unsigned all = 0;
    for (size_t lane = 0; lane < votes.size(); ++lane)
      all |= unsigned{static_cast<Vote*>(votes[lane])->mine} << lane;
    for (void* lane : votes) static_cast<Vote*>(lane)->all = all;
  });
  return vote.all;
}

inline float __uint_as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t __float_as_uint(float x) { return std::bit_cast<uint32_t>(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }

using std::max;
using std::min;

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorNotReady = 600,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
struct cudaFuncAttributes {};
struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
  size_t sharedMemPerBlockOptin;
};
using cudaStream_t = struct SimulatedStream*;
using cudaEvent_t = struct SimulatedEvent*;
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop);
cudaError_t cudaMalloc(void** block, size_t bytes);
cudaError_t cudaFree(void* block);
cudaError_t cudaMallocHost(void** block, size_t bytes);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t stream);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel);
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t status);
const char* cudaGetErrorName(cudaError_t status);
