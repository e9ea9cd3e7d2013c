#include "core/recent.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace lf {
namespace {

TEST(Recent, KeepsWhatWasAskedForLast) {
  Recent<int, std::string> recent(2);
  int made = 0;
  const auto ask = [&](int key) {
    return recent.get(key, [&] { return std::to_string(key) + "#" + std::to_string(++made); });
  };
  EXPECT_EQ(ask(1), "1#1");
  EXPECT_EQ(ask(2), "2#2");
  EXPECT_EQ(ask(1), "1#1");
  EXPECT_EQ(ask(3), "3#3");  // 2 was not asked for the longest
  EXPECT_EQ(recent.size(), 2u);
  EXPECT_EQ(ask(1), "1#1");
  EXPECT_EQ(ask(2), "2#4");
}

TEST(Recent, ForgetsNothingWhereMakingFails) {
  Recent<int, int> recent(1);
  recent.get(1, [] { return 10; });
  EXPECT_THROW(recent.get(2, []() -> int { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(recent.get(1, [] { return 11; }), 10);
}

}  // namespace
}  // namespace lf
