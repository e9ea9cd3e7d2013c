// Which freed block serves a tensor, and what counts as in use.
#include "core/block_pool.h"

#include <gtest/gtest.h>

namespace lf {
namespace {

constexpr int64_t kLarge = 1 << 20;
std::string purpose() { return "a test"; }

TEST(BlockPool, AFreedBlockServesWhatNeedsHalfOfItOrMore) {
  BlockPool pool(Device::cpu);
  const Block large = pool.take(kLarge, purpose);
  pool.give_back(large);
  const Block same = pool.take(kLarge, purpose);
  EXPECT_EQ(same.data, large.data);
  pool.give_back(same);
  const Block most = pool.take(kLarge * 5 / 8, purpose);
  EXPECT_EQ(most.data, large.data);
  EXPECT_LT(pool.use().live, kLarge) << "as much as a block of its own would have";
  EXPECT_GE(pool.use().live + pool.use().cached, kLarge);
  pool.give_back(most);
  const Block little = pool.take(kLarge * 3 / 8, purpose);
  EXPECT_NE(little.data, large.data);
  pool.give_back(little);
  pool.release_cached();
}

TEST(BlockPool, AllThatIsReservedIsInUseOrCached) {
  BlockPool pool(Device::cpu);
  const Block a = pool.take(kLarge, purpose), b = pool.take(kLarge / 2, purpose);
  const int64_t reserved = pool.use().live;
  EXPECT_EQ(pool.use().cached, 0);
  pool.give_back(a);
  const Block c = pool.take(kLarge * 5 / 8, purpose);
  EXPECT_EQ(pool.use().live + pool.use().cached, reserved);
  EXPECT_EQ(pool.use().peak, reserved);
  pool.give_back(b);
  pool.give_back(c);
  EXPECT_EQ(pool.use().live, 0);
  EXPECT_EQ(pool.use().cached, reserved);
  pool.release_cached();
  EXPECT_EQ(pool.use().cached, 0);
}

}  // namespace
}  // namespace lf
