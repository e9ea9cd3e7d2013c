// Phases on a device: its own times, which nobody waits for, and ranges for its profilers.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "autograd/ops.h"
#include "core/profile.h"
#include "tests/testing.h"

#ifdef LF_SIMULATED_CUDA
#include "tests/simt/ranges.h"
#endif

namespace lf {
namespace {

void sleep_milliseconds(int n) { std::this_thread::sleep_for(std::chrono::milliseconds(n)); }

TEST(DeviceProfile, PhasesAddUpToTheTimeThatPassed) {
  const Tensor x = Tensor::full({64, 32}, DType::f32, 0.5, Device::cuda);
  Profile profile(Device::cuda);
  for (int i = 0; i < 3; ++i) {
    Phase phase("products");
    for (int j = 0; j < 2; ++j) linear(x, x);
    sleep_milliseconds(5);
    phase.next("host");
    sleep_milliseconds(10);
  }
  const PhaseTime times = profile.times();
  ASSERT_EQ(times.inner.size(), 2u);
  const PhaseTime &products = times.inner[0], &host = times.inner[1];
  EXPECT_EQ(products.name, "products");
  EXPECT_EQ(products.calls, 3);
  ASSERT_EQ(products.inner.size(), 1u);
  EXPECT_EQ(products.inner[0].name, "linear");
  EXPECT_EQ(products.inner[0].calls, 6);
  EXPECT_GT(products.inner[0].seconds, 0);
  EXPECT_GE(products.seconds, products.inner[0].seconds + 0.014);
  EXPECT_GE(host.seconds, 0.029);
  EXPECT_NEAR((products.seconds + host.seconds) / times.seconds, 1, 0.05);
}

// More phases than are kept unread, all inside one step, and marks that are used again.
TEST(DeviceProfile, ManyPhasesInOneStep) {
  Profile profile(Device::cuda);
  for (int step = 0; step < 2; ++step) {
    const Phase phase("step");
    for (int i = 0; i < 10000; ++i) {
      const Phase deeper("deeper");
    }
    sleep_milliseconds(2);
  }
  const PhaseTime times = profile.times();
  const PhaseTime& step = times.inner.at(0);
  EXPECT_EQ(step.calls, 2);
  EXPECT_EQ(step.inner.at(0).calls, 20000);
  EXPECT_GT(step.inner.at(0).seconds, 0);
  EXPECT_GE(step.seconds, step.inner.at(0).seconds + 0.004);
  EXPECT_LE(step.seconds, times.seconds);
}

#ifdef LF_SIMULATED_CUDA

TEST(DeviceProfile, PhasesAreRangesWhetherProfiledOrNot) {
  using Ranges = std::vector<std::string>;
  const auto body = [] {
    Phase phase("forward");
    {
      const Phase deeper("linear");
      EXPECT_EQ(simt::open_ranges(), (Ranges{"forward", "linear"}));
    }
    phase.next("backward");
    EXPECT_EQ(simt::open_ranges(), (Ranges{"backward"}));
    try {
      const Phase deeper("linear");
      throw Error("planned");
    } catch (const Error&) {
    }
    EXPECT_EQ(simt::open_ranges(), (Ranges{"backward"}));
  };
  body();
  EXPECT_TRUE(simt::open_ranges().empty());
  const Profile profile(Device::cuda);
  body();
  EXPECT_TRUE(simt::open_ranges().empty());
}

#endif

}  // namespace
}  // namespace lf
