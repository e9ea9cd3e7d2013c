// What an update needs beside the model: copies to the device and back, sums, and AdamW.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "core/communicator/communicator.h"
#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "tests/simt/tests/device_tensors.h"

namespace lf {
namespace {

// More than the page-locked ring holds, and memory that changes as soon as it may.
TEST(DeviceCopies, ArriveWholeThoughTheirSourceChanges) {
  for (const int64_t count : {int64_t{1}, int64_t{100'000}, int64_t{9'000'000}}) {
    Tensor x = Tensor::empty({count}, DType::i32);
    std::iota(x.data<int32_t>(), x.data<int32_t>() + count, 7);
    const Tensor there = x.to(Device::cuda);
    x.fill_zero();
    const Tensor second = Tensor::full({3}, DType::f32, 2.0).to(Device::cuda);
    const Tensor back = there.to(Device::cpu);
    int64_t wrong = 0;
    for (int64_t i = 0; i < count; ++i) wrong += back.data<int32_t>()[i] != static_cast<int32_t>(7 + i);
    EXPECT_EQ(wrong, 0) << count;
    EXPECT_EQ(second.to_doubles(), std::vector<double>(3, 2.0));
  }
}

TEST(DeviceCopies, OfSeveralScalarsAreReadTogether) {
  const Tensor a = Tensor::full({}, DType::f32, 1.5, Device::cuda),
               b = Tensor::full({1}, DType::f64, -3.0, Device::cuda);
  EXPECT_EQ(read_together({a, b, a}), (std::vector{1.5, -3.0, 1.5}));
  EXPECT_TRUE(read_together({}).empty());
}

TEST(DeviceSums, AddEveryElementOfSeveralBlocks) {
  for (const int64_t count : {0, 1, 255, 16384, 16385, 40001}) {
    for (const DType dtype : kFloats) {
      const Tensor x = random_tensor({count}, dtype, 3, 5.0);
      const double expected = kernels::sum(x);
      EXPECT_NEAR(kernels::sum(straight(x)), expected, 1e-9 * (1 + std::abs(expected))) << count;
      EXPECT_EQ(kernels::sum(straight(x)), kernels::sum(shifted(x))) << count;
    }
    const Tensor x = random_tensor({count}, DType::f32, 4);
    EXPECT_NEAR(sum_of_squares(straight(x)), sum_of_squares(x), 1e-9 * (1.0 + static_cast<double>(count)));
  }
}

TEST(DeviceSums, ShowWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Tensor x = random_tensor({20000}, DType::f32, 3);
    x.data<float>()[19999] = bad;
    EXPECT_FALSE(std::isfinite(sum_of_squares(straight(x))));
    EXPECT_FALSE(std::isfinite(kernels::sum(straight(x))));
  }
}

TEST(DeviceAdamW, EqualsTheCpuOverSteps) {
  for (const auto& place : {straight, shifted}) {
    Tensor p = random_tensor({1003}, DType::f32, 1), m = Tensor::zeros_like(p), v = Tensor::zeros_like(p);
    Tensor device_p = place(p), device_m = place(m), device_v = place(v);
    for (int64_t step = 1; step <= 3; ++step) {
      const kernels::AdamW settings{
          .learning_rate = 0.01, .weight_decay = 0.1, .step = step, .gradient_scale = 0.5};
      const Tensor g = random_tensor({1003}, DType::f32, static_cast<uint32_t>(10 + step));
      kernels::adamw(settings, g, p, m, v);
      kernels::adamw(settings, place(g), device_p, device_m, device_v);
    }
    EXPECT_CLOSE(device_p, p, 1e-6);
    EXPECT_CLOSE(device_m, m, 1e-6);
    EXPECT_CLOSE(device_v, v, 1e-6);
  }
}

#ifdef LF_NCCL

// Null, and why, where the machine has no NCCL, which is not carried along; one that cannot be loaded is an
// error.
std::unique_ptr<Communicator> over_nccl_if_there(std::string& why_not) try {
  return over_nccl(alone(), {});
} catch (const Error& error) {
  why_not = error.what();
  if (!why_not.starts_with("NCCL needs ") || why_not.find(", which is neither where") == std::string::npos)
    throw;
  return nullptr;
}

TEST(DeviceCollectives, OfOneRankAreWhatItBrings) {
  std::string why_not;
  const std::unique_ptr<Communicator> communicator = over_nccl_if_there(why_not);
  if (!communicator) GTEST_SKIP() << why_not;
  EXPECT_EQ(communicator->size(), 1);
  for (const DType dtype : kFloats) {
    const Tensor x = random_tensor({1003}, dtype, 1);
    Tensor there = straight(x);
    communicator->sum(there);
    EXPECT_SAME_BITS(there.to(Device::cpu), x);
  }
  std::vector<double> values{1.5, -2};
  communicator->sum(values);
  EXPECT_EQ(values, (std::vector{1.5, -2.0}));
}

#endif

}  // namespace
}  // namespace lf
