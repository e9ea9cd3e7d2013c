// What devices could do at most.
#include "trainers/measure/device_peaks.h"

#include <gtest/gtest.h>

namespace lf {
namespace {

TEST(DevicePeaks, AreThoseOfTheDriversNames) {
  const auto tflops = [](const char* name, DType dtype) {
    return published_peak(name, dtype).value() / 1e12;
  };
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H200", DType::bf16), 989.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H200 NVL", DType::bf16), 835.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H100 80GB HBM3", DType::bf16), 989.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H100 PCIe", DType::f32), 51);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H100 NVL", DType::bf16), 835.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A100-SXM4-40GB", DType::bf16), 312);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A100 80GB PCIe", DType::f32), 19.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A100-PCIE-40GB", DType::f32), 19.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A10", DType::bf16), 125);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA L40S", DType::bf16), 362.05);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA L4", DType::bf16), 121);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA GeForce RTX 3090", DType::bf16), 71);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA GeForce RTX 4090", DType::bf16), 165.2);
}

// A wrong peak would be worse than none.
TEST(DevicePeaks, OfOtherDevicesAreNotGuessed) {
  for (const char* name : {"NVIDIA A10G", "NVIDIA A100X", "NVIDIA GeForce RTX 4090 Laptop GPU", "Tesla T4",
                           "NVIDIA GeForce RTX 4090 D", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "host executor",
                           "NVIDIA H20", "NVIDIA A40-24Q", "NVIDIA B200", ""})
    EXPECT_FALSE(published_peak(name, DType::bf16)) << name;
  EXPECT_FALSE(published_peak("NVIDIA H200", DType::f64));
  EXPECT_FALSE(peak_of(Device::cpu, DType::f32));
}

}  // namespace
}  // namespace lf
