// Shapes, views, conversions and their error texts; what the storage counts, caches and, in checked builds,
// notices.
#include "core/tensor.h"
#include "core/kernels/convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/testing.h"

namespace lf {
namespace {

Tensor counting(const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return Tensor::from(shape, values);
}

TEST(Shape, KnowsItsAxes) {
  const Shape shape{2, 3, 5};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[-1], 5);
  EXPECT_EQ(shape.elements(), 30);
  EXPECT_EQ(shape.with_last(7), (Shape{2, 3, 7}));
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ((Shape{4, 0}).elements(), 0);
  EXPECT_EQ(text(shape), "(2, 3, 5)");
  EXPECT_EQ(text(Shape()), "()");
  EXPECT_ERROR_TEXT(shape[3], "shape (2, 3, 5) has no axis 3");
  EXPECT_ERROR_TEXT(shape[-4], "shape (2, 3, 5) has no axis -4");
  EXPECT_ERROR_TEXT(Shape().with_last(2), "a scalar has no last axis");
}

TEST(Tensor, IsMadeOfValues) {
  EXPECT_EQ(Tensor::zeros({2, 2}, DType::bf16).to_doubles(), std::vector<double>(4, 0.0));
  EXPECT_EQ(Tensor::full({3}, DType::f64, 0.1).to_doubles(), std::vector<double>(3, 0.1));
  EXPECT_EQ(Tensor::full({1}, DType::bf16, 1.00390625).item(), 1.0);  // half a step: to even
  EXPECT_EQ(Tensor::from({2}, std::vector<int64_t>{-5, 1}).to_doubles(), (std::vector<double>{-5, 1}));
  EXPECT_EQ(Tensor::from({1}, std::vector<uint8_t>{255}).to_doubles()[0], 255);
  EXPECT_EQ(Tensor::from({1}, std::vector<uint16_t>{65535}).to_doubles()[0], 65535);
  EXPECT_EQ(Tensor::empty({3, 5}, DType::bf16).bytes(), 30);
  EXPECT_FALSE(Tensor().defined());
  EXPECT_ERROR_TEXT(Tensor::from({2, 3}, std::vector<float>(5)), "tensor (2, 3) needs 6 values, got 5");
  EXPECT_ERROR_TEXT(Tensor::empty({2, -3}, DType::f32), "tensor shape (2, -3) has a negative axis");
  EXPECT_ERROR_TEXT(Tensor::full({2}, DType::i32, 1),
                    "expected a floating dtype (f32, bf16 or f64), got i32");
  EXPECT_ERROR_TEXT(counting({2, 2}).item(), "item: (2, 2) has 4 elements, needed one");
  EXPECT_ERROR_TEXT(counting({2, 2}).data<double>(), "tensor (2, 2) holds f32, asked for as f64");
}

TEST(Tensor, ViewsShareMemory) {
  const Tensor x = counting({4, 3});
  const Tensor rows = x.slice(1, 3);
  EXPECT_EQ(rows.shape(), (Shape{2, 3}));
  EXPECT_EQ(rows.to_doubles(), (std::vector<double>{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(rows.slice(1, 2).to_doubles(), (std::vector<double>{6, 7, 8}));  // offsets add up
  EXPECT_EQ(x.view({2, 6}).slice(1, 2).raw(), x.raw() + 24);
  EXPECT_EQ(x.window(5, {2, 2}).to_doubles(), (std::vector<double>{5, 6, 7, 8}));
  EXPECT_EQ(x.slice(4, 4).elements(), 0);
  rows.data<float>()[0] = 100;
  EXPECT_EQ(x.to_doubles()[3], 100);
  const Tensor copy = rows.clone();
  copy.data<float>()[0] = -1;
  EXPECT_EQ(x.to_doubles()[3], 100);
  EXPECT_ERROR_TEXT(x.view({5, 2}), "cannot view (4, 3) as (5, 2): 12 and 10 elements");
  EXPECT_ERROR_TEXT(x.slice(2, 5), "slice [2, 5) is outside (4, 3)");
  EXPECT_ERROR_TEXT(x.slice(3, 2), "slice [3, 2) is outside (4, 3)");
  EXPECT_ERROR_TEXT(counting({}).slice(0, 1), "slice [0, 1) is outside ()");
  EXPECT_ERROR_TEXT(x.window(10, {3}), "elements 10 to 13 are outside (4, 3)");
  Tensor target = Tensor::zeros({3, 4}, DType::f32);
  EXPECT_ERROR_TEXT(target.copy_from(x), "cannot copy (4, 3) f32 into (3, 4) f32");
}

TEST(Tensor, AViewKeepsTheStorageAlive) {
  const int64_t before = memory_use(Device::cpu).live;
  Tensor view = counting({1000}).slice(10, 20);
  EXPECT_GT(memory_use(Device::cpu).live, before);
  EXPECT_EQ(view.to_doubles()[0], 10);
  view = Tensor();
  EXPECT_EQ(memory_use(Device::cpu).live, before);
}

TEST(Cast, RoundsToNearestEven) {
  const float values[] = {1.0f, 1.00390625f, 1.01171875f, -3.1415927f, 1e-40f, 3.4e38f};
  const Tensor x = Tensor::from({6}, std::span<const float>(values));
  const std::vector<double> narrow = cast(x, DType::bf16).to_doubles();
  EXPECT_EQ(narrow[0], 1.0);
  EXPECT_EQ(narrow[1], 1.0);       // halfway to 1.0078125: to the even one
  EXPECT_EQ(narrow[2], 1.015625);  // halfway between 1.0078125 and 1.015625
  EXPECT_EQ(narrow[3], -3.140625);
  EXPECT_TRUE(std::isinf(narrow[5]));  // beyond the largest bf16
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(static_cast<float>(bf16(std::bit_cast<float>(0x7f800001u)))));  // not rounded to inf
  EXPECT_EQ(static_cast<float>(bf16(-infinity)), -infinity);
  const Tensor exact = Tensor::full({2}, DType::f64, 0.1);
  EXPECT_EQ(cast(cast(exact, DType::f32), DType::f64).to_doubles()[0], static_cast<double>(0.1f));
  EXPECT_EQ(cast(exact, DType::f64).raw(), exact.raw());
  EXPECT_ERROR_TEXT(cast(exact, DType::u8), "expected a floating dtype (f32, bf16 or f64), got u8");
}

TEST(Storage, CountsWhatIsLiveAndReusesWhatWasFreed) {
  release_cached_memory(Device::cpu);
  const MemoryUse before = memory_use(Device::cpu);
  EXPECT_EQ(before.cached, 0);
  reset_peak_memory(Device::cpu);
  const std::byte* place = nullptr;
  int64_t taken = 0;
  {
    const Tensor x = Tensor::empty({1000, 100}, DType::f32);
    place = x.raw();
    taken = memory_use(Device::cpu).live - before.live;
    EXPECT_GE(taken, 400'000);
    EXPECT_LE(taken, 500'000);  // rounding up wastes at most a quarter
    EXPECT_EQ(reinterpret_cast<uintptr_t>(place) % 64, 0u);
  }
  EXPECT_EQ(memory_use(Device::cpu).live, before.live);
  EXPECT_EQ(memory_use(Device::cpu).cached, taken);
  EXPECT_EQ(memory_use(Device::cpu).peak, before.live + taken);
  {
    const Tensor again = Tensor::empty({100, 1000}, DType::f32);
    EXPECT_EQ(again.raw(), place);
    EXPECT_EQ(memory_use(Device::cpu).cached, 0);
  }
  release_cached_memory(Device::cpu);
  EXPECT_EQ(memory_use(Device::cpu).cached, 0);
  reset_peak_memory(Device::cpu);
  EXPECT_EQ(memory_use(Device::cpu).peak, before.live);
}

TEST(Storage, NamesWhatDidNotFit) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the address sanitizer ends the program on impossible requests";
#endif
  EXPECT_ERROR_TEXT(Tensor::empty({1 << 20, 1 << 30}, DType::f32),
                    "cpu: out of memory allocating (1048576, 1073741824) f32 = 4.00 PiB; live ");
}

TEST(Storage, CudaNeedsACudaBuild) {
  if (kHasCuda) GTEST_SKIP() << "this build has CUDA";
  EXPECT_ERROR_TEXT(Tensor::empty({2}, DType::f32, Device::cuda),
                    "device cuda: this build has no CUDA; scripts/build cuda makes one that has");
}

TEST(CheckedMemory, FreshMemoryIsNaN) {
#ifndef LF_CHECKED_MEMORY
  GTEST_SKIP() << "configure with -DLF_CHECKED_MEMORY=ON";
#endif
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    for (const double value : Tensor::empty({37}, dtype).to_doubles()) EXPECT_TRUE(std::isnan(value));
  }
}

TEST(CheckedMemoryDeathTest, WritingPastTheEndIsFoundWhenFreed) {
#ifndef LF_CHECKED_MEMORY
  GTEST_SKIP() << "configure with -DLF_CHECKED_MEMORY=ON";
#endif
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        const Tensor x = Tensor::empty({10}, DType::f32);
        x.data<float>()[11] = 0;
      },
      "a kernel wrote 4 bytes past the end of a block of 40 bytes");
}

}  // namespace
}  // namespace lf
