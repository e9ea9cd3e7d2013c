// What a run on a GPU is told of its heads, in builds without CUDA as well.
#include "trainers/tasks/device_notices.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lf {
namespace {

TEST(HeadWidths, WithoutTensorCoresAreSaidWhereverTheyStand) {
  RunConfig config;
  config.device = Device::cuda;
  const auto said = [&](const std::vector<int64_t>& widths) {
    std::string all;
    for (const std::string& notice : device_notices(config, widths, false)) all += notice + "\n";
    return all;
  };
  const std::string narrow =
      "attention runs on the slow plain kernels, which are for checks: heads are 16 wide";
  const auto npos = std::string::npos;
  EXPECT_NE(said({16, 64}).find(narrow), npos);
  EXPECT_NE(said({64, 16}).find(narrow), npos);
  EXPECT_EQ(said({64, 32}).find("plain kernels"), npos);
}

}  // namespace
}  // namespace lf
