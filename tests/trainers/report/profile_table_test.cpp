// A profile's table and JSON from given times.
#include "trainers/report/profile_table.h"

#include <gtest/gtest.h>

#include "tests/testing.h"

namespace lf {
namespace {

PhaseTime example() {
  const PhaseTime linear{"linear", 40, 0.25, {}}, attention{"window_attention", 20, 1.5, {}};
  return {"all", 1, 4, {{"forward", 10, 2, {linear, attention}}, {"update", 10, 1.999, {}}}};
}

TEST(ProfileTable, IsAlignedSortedAndExplainsTheRest) {
  EXPECT_EQ(profile_table(example()), (std::vector<std::string>{
                                          "phase               calls  seconds    share  mean ms",
                                          "forward                10    2.000   50.0 %  200.000",
                                          "  window_attention     20    1.500   37.5 %   75.000",
                                          "  linear               40    0.250    6.2 %    6.250",
                                          "  other                      0.250    6.2 %",
                                          "update                 10    1.999   50.0 %  199.900",
                                          "all                          4.000  100.0 %",
                                      }));
}

TEST(ProfileTable, JsonHoldsTheSame) {
  const nlohmann::ordered_json json = profile_json(example());
  EXPECT_EQ(json.at("seconds"), 4.0);
  EXPECT_NEAR(json.at("other_seconds").get<double>(), 0.001, 1e-12);
  const auto& forward = json.at("phases").at(0);
  EXPECT_EQ(forward.at("phase"), "forward");
  EXPECT_EQ(forward.at("calls"), 10);
  EXPECT_EQ(forward.at("share"), 0.5);
  EXPECT_EQ(forward.at("mean_ms"), 200.0);
  EXPECT_EQ(forward.at("other_seconds"), 0.25);
  EXPECT_EQ(forward.at("phases").at(1).at("phase"), "window_attention");
  EXPECT_FALSE(json.at("phases").at(1).contains("phases"));
}

}  // namespace
}  // namespace lf
