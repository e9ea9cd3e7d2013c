// The host executor itself: what warps and blocks exchange, and that it finds what it is there to find.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/cuda/device_code.h"
#include "core/cuda/launch.h"
#include "core/tensor.h"
#include "tests/testing.h"

namespace lf {
namespace {

using cuda::launch;

__global__ void sum_of_warp(const float* in, float* out) {
  const float total = cuda::warp_sum(in[threadIdx.x]);
  out[threadIdx.x] = total;
}

TEST(HostExecutor, WarpsSumTheirOwnLanes) {
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const Tensor in = Tensor::from({64}, values).to(Device::cuda);
  const Tensor out = Tensor::empty({64}, DType::f32, Device::cuda);
  launch(sum_of_warp, {1}, 64, 0, in.device_data<float>(), out.device_data<float>());
  const std::vector<double> sums = out.to_doubles();
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(sums[i], i < 32 ? 496 : 1520);
}

// Reverses through shared memory; without the barrier some warps read before others wrote.
__global__ void reverse(float* data, bool with_barrier) {
  auto* shared = reinterpret_cast<float*>(cuda::shared_memory());
  shared[threadIdx.x] = data[threadIdx.x];
  if (with_barrier) __syncthreads();
  data[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

std::vector<double> reversed(bool with_barrier, uint64_t seed) {
  std::vector<float> values(128);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const Tensor data = Tensor::from({128}, values).to(Device::cuda);
  simt::seed_scheduler(seed);
  launch(reverse, {1}, 128, 512, data.device_data<float>(), with_barrier);
  return data.to_doubles();
}

TEST(HostExecutor, AMissingBarrierShows) {
  for (uint64_t seed = 1; seed < 5; ++seed) {
    const std::vector<double> right = reversed(true, seed), wrong = reversed(false, seed);
    for (size_t i = 0; i < 128; ++i) EXPECT_EQ(right[i], 127.0 - static_cast<double>(i));
    EXPECT_NE(right, wrong);
  }
}

__global__ void diverge(float* data) {
  if (threadIdx.x % 2 == 0) {
    data[threadIdx.x] = __shfl_xor_sync(cuda::kAllLanes, 1.0f, 1);
  } else {
    __syncwarp();
  }
}
__global__ void leave_before_barrier() {
  if (threadIdx.x < 32) return;
  __syncthreads();
}
__global__ void partial_warp() { __shfl_xor_sync(0xffffu, 1.0f, 1); }

TEST(HostExecutor, RefusesWhatHardwareWouldHangOn) {
  const Tensor data = Tensor::empty({64}, DType::f32, Device::cuda);
  EXPECT_ERROR_TEXT(launch(diverge, {1}, 64, 0, data.device_data<float>()),
                    "while other lanes of its warp are at");
  EXPECT_ERROR_TEXT(launch(leave_before_barrier, {1}, 64, 0), "barrier that others never reach");
  EXPECT_ERROR_TEXT(launch(partial_warp, {1}, 32, 0), "only all 32 lanes");
}

// Copies a row to shared memory and reads it back with or without waiting.
__global__ void copy_row(const float* from, float* to, bool waits) {
  auto* shared = reinterpret_cast<float*>(cuda::shared_memory());
  cuda::copy_async(shared + 4 * threadIdx.x, from + 4 * threadIdx.x, threadIdx.x < 31);
  cuda::commit_copies();
  if (waits) cuda::wait_for_copies<0>();
  for (int i = 0; i < 4; ++i)
    to[4 * threadIdx.x + static_cast<unsigned>(i)] = shared[4 * threadIdx.x + static_cast<unsigned>(i)];
}

TEST(HostExecutor, CopiesArriveWhenTheyAreWaitedFor) {
  const Tensor from = Tensor::full({128}, DType::f32, 7, Device::cuda);
  const Tensor to = Tensor::zeros({128}, DType::f32, Device::cuda);
  launch(copy_row, {1}, 32, 512, from.device_data<float>(), to.device_data<float>(), true);
  const std::vector<double> values = to.to_doubles();
  for (size_t i = 0; i < 128; ++i) EXPECT_EQ(values[i], i < 124 ? 7 : 0);
  launch(copy_row, {1}, 32, 512, from.device_data<float>(), to.device_data<float>(), false);
  EXPECT_TRUE(std::isnan(to.to_doubles()[0]));
}

// One 16 x 8 x 16 product from row-major A and B (8 x 16, that is B transposed) in shared memory.
__global__ void product(const bf16* a, const bf16* b, float* d) {
  auto* shared_a = reinterpret_cast<bf16*>(cuda::shared_memory());
  auto* shared_b = shared_a + 256;
  for (unsigned i = threadIdx.x; i < 256; i += 32) shared_a[i] = a[i];
  for (unsigned i = threadIdx.x; i < 128; i += 32) shared_b[i] = b[i];
  __syncwarp();
  const unsigned lane = threadIdx.x;
  uint32_t fragment_a[4], fragment_b[4];
  cuda::load_matrices(fragment_a, shared_a + (lane % 16) * 16 + (lane / 16) * 8);
  cuda::load_matrices(fragment_b, shared_b + (lane % 8) * 16 + (lane / 8 % 2) * 8);
  const uint32_t b_only[2] = {fragment_b[0], fragment_b[1]};
  float sums[4] = {};
  cuda::multiply_bf16(sums, fragment_a, b_only);
  for (unsigned i = 0; i < 4; ++i) d[(lane / 4 + 8 * (i / 2)) * 8 + 2 * (lane % 4) + i % 2] = sums[i];
}

TEST(HostExecutor, TensorCoreProductsFollowTheirFragments) {
  std::vector<bf16> a, b;
  for (int i = 0; i < 256; ++i) a.emplace_back(static_cast<float>((i * 37) % 19 - 9));
  for (int i = 0; i < 128; ++i) b.emplace_back(static_cast<float>((i * 53) % 23 - 11));
  const Tensor device_a = Tensor::from({16, 16}, a).to(Device::cuda);
  const Tensor device_b = Tensor::from({8, 16}, b).to(Device::cuda);
  const Tensor d = Tensor::empty({16, 8}, DType::f32, Device::cuda);
  launch(product, {1}, 32, 768, device_a.device_data<bf16>(), device_b.device_data<bf16>(),
         d.device_data<float>());
  const std::vector<double> got = d.to_doubles();
  for (size_t m = 0; m < 16; ++m) {
    for (size_t n = 0; n < 8; ++n) {
      float expected = 0;
      for (size_t k = 0; k < 16; ++k)
        expected += static_cast<float>(a[m * 16 + k]) * static_cast<float>(b[n * 16 + k]);
      EXPECT_EQ(got[m * 8 + n], expected) << m << ' ' << n;
    }
  }
}

TEST(DeviceMemoryDeathTest, TheHostCannotTouchIt) {
  const Tensor data = Tensor::zeros({4}, DType::f32, Device::cuda);
  EXPECT_ERROR_TEXT(data.data<float>(), "is on the device");
  EXPECT_DEATH({ *reinterpret_cast<volatile float*>(data.raw()) = 1; }, "");
}

}  // namespace
}  // namespace lf
