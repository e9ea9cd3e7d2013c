// CUDA's current device is each thread's own: whatever a thread asks of the device first, it asks of the
// process's.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <thread>

#include "core/cuda/matmul.h"
#include "core/cuda/runtime.h"
#include "core/device_marks.h"
#include "core/device_memory.h"
#include "tests/simt/tests/device_tensors.h"

#ifdef LF_SIMULATED_CUDA
#include "tests/simt/device_memory.h"
#include "tests/simt/tests/run_again.h"
#endif

namespace lf {
namespace {

// What the action throws as the first thing that a thread does.
std::string error_in_new_thread(const std::function<void()>& action) {
  std::string failure;
  std::thread([&] {
    try {
      action();
    } catch (const Error& error) {
      failure = error.what();
    }
  }).join();
  return failure;
}

TEST(DeviceThreads, AllUseTheProcessesDevice) {
  const Tensor x = straight(random_tensor({3, 4}, DType::f32, 1));
  Tensor received;
  EXPECT_EQ(error_in_new_thread([&] { received = x.clone().to(Device::cpu); }), "");
  EXPECT_SAME_BITS(received, x.to(Device::cpu));
  EXPECT_EQ(error_in_new_thread([&] { cuda::milliseconds_of([&] { x.clone(); }); }), "");
}

TEST(DeviceThreads, MayReleaseFirst) {
  void* block = cuda::allocate(1000);
  EXPECT_EQ(error_in_new_thread([&] { cuda::release(block); }), "");
}

TEST(DeviceThreads, MayCopyFirst) {
  const Tensor x = random_tensor({100}, DType::f32, 1), there = straight(x);
  const auto bytes = static_cast<int64_t>(100 * sizeof(float));
  EXPECT_EQ(error_in_new_thread([&] { cuda::fill_bytes(there.raw(), 0, bytes); }), "");
  EXPECT_EQ(error_in_new_thread([&] { cuda::copy_to_device(there.raw(), x.raw(), bytes); }), "");
  EXPECT_SAME_BITS(there.to(Device::cpu), x);
}

// The library is open, but has to choose an algorithm in the new thread: no other test has these shapes.
TEST(DeviceThreads, MayMultiplyFirst) {
  const Tensor a = straight(random_tensor({19, 23}, DType::f32, 1)),
               b = straight(random_tensor({23, 29}, DType::f32, 2));
  Tensor c = Tensor::empty({19, 29}, DType::f32, Device::cuda), again = Tensor::zeros_like(c),
         square = Tensor::empty({29, 29}, DType::f32, Device::cuda);
  const cuda::Product product{19, 29, 23, false, false};
  cuda::multiply({29, 29, 23, true, false}, b, b, square);
  EXPECT_EQ(error_in_new_thread([&] { cuda::multiply(product, a, b, c); }), "");
  EXPECT_EQ(error_in_new_thread([&] { cuda::multiply(product, a, b, again); }), "");  // the same plan
  EXPECT_SAME_BITS(again.to(Device::cpu), c.to(Device::cpu));
}

TEST(DeviceThreads, MayAskForMarksFirst) {
  const cuda::Mark from = cuda::set_mark(nullptr);
  straight(random_tensor({1000}, DType::f32, 1)).clone();
  cuda::Mark to = nullptr;
  double seconds = 0;
  std::thread([&] { to = cuda::set_mark(nullptr); }).join();
  std::thread([&] { cuda::wait_for(to); }).join();
  cuda::wait_for(from);
  std::thread([&] { seconds = cuda::seconds_between(from, to); }).join();
  EXPECT_GT(seconds, 0);
  EXPECT_TRUE(cuda::reached(to));
  std::thread([&] { cuda::destroy_mark(from); }).join();
  std::thread([&] { cuda::destroy_mark(to); }).join();
}

#ifdef LF_SIMULATED_CUDA

TEST(DeviceThreads, ReleaseMarks) {
  const int64_t before = simt::live_events();
  const cuda::Mark mark = cuda::set_mark(nullptr);
  bool reached = true;
  std::thread([&] { reached = cuda::reached(mark); }).join();
  EXPECT_FALSE(reached);  // the stand-in's events are never known at the first question
  std::thread([&] { cuda::destroy_mark(mark); }).join();
  EXPECT_EQ(simt::live_events(), before);
}

constexpr const char* kLocalRank = "OMPI_COMM_WORLD_LOCAL_RANK";

TEST(DeviceThreads, UseTheLocalRanksDevice) {
  const char* rank = std::getenv(kLocalRank);
  EXPECT_EQ(cuda::device().index, rank ? std::atoi(rank) % simt::kDevices : 0);
}

TEST(DeviceThreads, OfALaterLocalRankUseItsDevice) {
  if (std::getenv(kLocalRank)) GTEST_SKIP() << "this is one";
  EXPECT_EQ(run_again("DeviceThreads.*", text(kLocalRank, "=1")), "");
}

#endif

}  // namespace
}  // namespace lf
