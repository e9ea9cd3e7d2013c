// Groups of parameters: every trained element in exactly one, with its own rate and decay in the update.
#include "trainers/optimizer/parameter_groups.h"

#include <gtest/gtest.h>

#include <cmath>

#include "layers/basic.h"
#include "tests/testing.h"
#include "trainers/optimizer/optimizer.h"

namespace lf {
namespace {

struct TwoLinears {
  Linear encoder{3, 5, true}, head{5, 2, true};

  void visit(auto&& field) {
    field("encoder", encoder);
    field("head", head);
  }
};

bool is_head(const std::string& name) { return name.starts_with("head."); }

// How often each element of the block stands in a group.
std::vector<int> times_covered(const ParameterBlock& block, const std::vector<ParameterGroup>& groups) {
  std::vector<int> times(static_cast<size_t>(block.values.elements()), 0);
  for (const ParameterGroup& group : groups) {
    for (const auto& [begin, end] : group.parts)
      for (int64_t i = begin; i < end; ++i) ++times[static_cast<size_t>(i)];
  }
  return times;
}

TEST(ParameterGroups, CoverWhatIsTrainedOnce) {
  TwoLinears model;
  ParameterBlock block = pack(model);
  const auto whole = with_rate(block, decay_groups(block, 0.1), "head", 10, is_head);
  ASSERT_EQ(whole.size(), 4u);
  EXPECT_EQ(whole[1].name, "head, decaying");
  EXPECT_DOUBLE_EQ(whole[1].rate_factor, 10);
  EXPECT_DOUBLE_EQ(whole[1].weight_decay, 0.1);
  EXPECT_DOUBLE_EQ(whole[2].rate_factor, 1);
  EXPECT_DOUBLE_EQ(whole[2].weight_decay, 0);
  for (const int times : times_covered(block, whole)) EXPECT_EQ(times, 1);

  train_only(block, [](const std::string& name) { return name != "encoder.weight"; });
  const auto some = with_rate(block, decay_groups(block, 0.1), "head", 10, is_head);
  EXPECT_EQ(some.size(), 3u);  // nothing of the encoder decays any more
  const std::vector<int> times = times_covered(block, some);
  for (const PackedParameter& p : block.parameters) {
    for (int64_t i = p.offset; i < p.offset + p.shape.elements(); ++i)
      EXPECT_EQ(times[static_cast<size_t>(i)], p.name == "encoder.weight" ? 0 : 1) << p.name;
  }
}

// The first update of AdamW moves every weight by its rate, whatever the gradient's size.
TEST(ParameterGroups, HaveTheirOwnRatesInTheUpdate) {
  TwoLinears model;
  ParameterBlock block = pack(model);
  Tensor gradients = block.gradients;
  gradients.copy_from(Tensor::full(gradients.shape(), DType::f32, 0.25));
  OptimizerSection settings;
  settings.weight_decay = 0;
  Optimizer optimizer(block, settings, with_rate(block, decay_groups(block, 0), "head", 10, is_head));
  EXPECT_NEAR(optimizer.gradient_norm(), 0.25 * std::sqrt(static_cast<double>(gradients.elements())), 1e-6);
  optimizer.step(0.01, 1e-6);
  for (const PackedParameter& p : block.parameters) {
    for (const double value : block.value(p).to_doubles())
      EXPECT_NEAR(value, is_head(p.name) ? -0.1 : -0.01, 1e-6) << p.name;
  }
}

}  // namespace
}  // namespace lf
