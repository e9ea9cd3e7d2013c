// Philox against the published known answers, its vector form against its scalar form on every instruction
// set, and the distributions drawn from it.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/core/random_test.cpp"
#include "hwy/foreach_target.h"
// clang-format off: the SIMD headers come after foreach_target.h
#include "core/kernels/simd_float-inl.h"
// clang-format on

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

HWY_BEFORE_NAMESPACE();
namespace lf::HWY_NAMESPACE {

// The dropout bits of 8 * blocks elements from block `first` on, drawn with vectors.
void VectorBits(const RandomKey& key, uint64_t first, size_t blocks, std::vector<uint16_t>& bits) {
  bits.assign(8 * (blocks + kBlockPadding), 0);
  philox_bits(key, first, blocks, bits.data());
  bits.resize(8 * blocks);
}

}  // namespace lf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>

#include "core/kernels/kernels.h"
#include "tests/core/kernels/simd_targets.h"
#include "tests/testing.h"

namespace lf {
HWY_EXPORT(VectorBits);

namespace {

using Words = std::array<uint32_t, 4>;

// kat_vectors of the Random123 distribution, "philox4x32 10": counter c0..c3, key k0 k1, result. With use 0
// the counter is (index, step) and the key the seed, low words first.
TEST(Philox, EqualsThePublishedVectors) {
  EXPECT_EQ(philox({0, 0, 0}, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint64_t ones = ~uint64_t{0};
  EXPECT_EQ(philox({ones, 0, ones}, ones), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x299f31d0'a4093822, 0, 0x03707344'13198a2e}, 0x85a308d3'243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, EveryPartOfTheKeyMatters) {
  const RandomKey key{.seed = 5, .use = 6, .step = 7};
  const Words base = philox(key, 8);
  EXPECT_NE(base, philox({.seed = 5 + (uint64_t{1} << 32), .use = 6, .step = 7}, 8));
  EXPECT_NE(base, philox({.seed = 4, .use = 6, .step = 7}, 8));
  EXPECT_NE(base, philox({.seed = 5, .use = 7, .step = 7}, 8));
  EXPECT_NE(base, philox({.seed = 5, .use = 6, .step = 8}, 8));
  EXPECT_NE(base, philox({.seed = 5, .use = 6, .step = 7 + (uint64_t{1} << 32)}, 8));
  EXPECT_NE(base, philox(key, 9));
  EXPECT_NE(base, philox(key, 8 + (uint64_t{1} << 32)));
}

TEST(Philox, VectorsDrawTheScalarBits) {
  const RandomKey key{.seed = 0x0123456789abcdef, .use = 77, .step = 0x1'0000'0003};
  // The last two starts cross a carry of the counter's low word inside one vector.
  for (const uint64_t first : {uint64_t{0}, uint64_t{5}, uint64_t{0xfffffffd}, uint64_t{0x7'ffffffff}}) {
    on_every_simd_target([&] {
      std::vector<uint16_t> bits;
      HWY_DYNAMIC_DISPATCH(VectorBits)(key, first, 37, bits);
      for (size_t i = 0; i < bits.size(); ++i) {
        ASSERT_EQ(bits[i], dropout_bits(philox(key, first + i / 8), i))
            << "element " << i << " from " << first;
      }
    });
  }
}

TEST(Dropout, KernelKeepsWhatTheScalarRuleKeeps) {
  const Dropout drop{0.3, {.seed = 3, .use = 2, .step = 1}};
  const Tensor ones = Tensor::full({5003}, DType::f32, 1.0);
  on_every_simd_target([&] {
    Tensor y = Tensor::like(ones);
    kernels::dropout(ones, drop, y);
    for (uint64_t i = 0; i < 5003; ++i) {
      const bool kept = dropout_bits(philox(drop.key, i / 8), i) >= dropout_threshold(0.3);
      ASSERT_EQ(y.data<float>()[i], kept ? static_cast<float>(1 / 0.7) : 0.0f) << "element " << i;
    }
  });
}

TEST(Dropout, KeepsTheRightShare) {
  constexpr int64_t kCount = 1'000'000;
  const Tensor ones = Tensor::full({kCount}, DType::f32, 1.0);
  for (const double probability : {0.1, 0.5, 0.9}) {
    Tensor y = Tensor::like(ones);
    kernels::dropout(ones, {probability, {.seed = 42, .use = 1, .step = 0}}, y);
    int64_t kept = 0;
    for (int64_t i = 0; i < kCount; ++i) kept += y.data<float>()[i] != 0;
    const double deviation = std::sqrt(probability * (1 - probability) / kCount);
    EXPECT_NEAR(static_cast<double>(kept) / kCount, 1 - probability, 4 * deviation);
    EXPECT_NEAR(kernels::sum(y) / kCount, 1.0, 4 * deviation / (1 - probability));
  }
}

// Mean and mean square of f(0) ... f(count - 1).
template <class F>
std::pair<double, double> moments(int64_t count, F&& f) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double x = f(static_cast<uint64_t>(i));
    sum += x, squares += x * x;
  }
  return {sum / static_cast<double>(count), squares / static_cast<double>(count)};
}

TEST(Random, UniformHasTheRightMoments) {
  const RandomKey key{.seed = 9, .use = 4, .step = 0};
  double least = 1, most = 0;
  const auto [mean, square] = moments(1'000'000, [&](uint64_t i) {
    const double x = uniform(key, i);
    least = std::min(least, x), most = std::max(most, x);
    return x;
  });
  EXPECT_NEAR(mean, 0.5, 4 * 0.2887e-3);
  EXPECT_NEAR(square, 1.0 / 3, 4 * 0.2981e-3);
  EXPECT_GT(least, 0.0);
  EXPECT_LT(least, 1e-4);
  EXPECT_LT(most, 1.0);
  EXPECT_GT(most, 1 - 1e-4);
}

TEST(Random, NormalHasTheRightMoments) {
  const RandomKey key{.seed = 9, .use = 4, .step = 0};
  int64_t outside_two = 0;
  double cubes = 0;
  const auto [mean, square] = moments(1'000'000, [&](uint64_t i) {
    const double x = normal(key, i);
    outside_two += std::abs(x) > 2;
    cubes += x * x * x;
    return x;
  });
  EXPECT_NEAR(mean, 0.0, 4e-3);
  EXPECT_NEAR(square, 1.0, 4 * 1.4142e-3);
  EXPECT_NEAR(cubes / 1e6, 0.0, 4 * 3.873e-3);
  EXPECT_NEAR(static_cast<double>(outside_two) / 1e6, 0.0455, 4 * 0.21e-3);
}

}  // namespace
}  // namespace lf
#endif  // HWY_ONCE
