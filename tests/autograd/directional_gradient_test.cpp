// The gradients of the large op cases, which have too many elements for one difference each: in double, the
// slope of <r, f(x)> along a random direction of each input. Reductions over many rows are added up chunk by
// chunk there, in every dtype alike, so comparing dtypes would not show a chunk that is lost.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/autograd/op_cases.h"
#include "tests/testing.h"

namespace lf {
namespace {

constexpr double kDirectionalTolerance = 1e-6;

class DirectionalGradient : public ::testing::TestWithParam<OpCase> {
 protected:
  // <r, f(inputs)> with `step` times the direction added to one input.
  double objective(size_t moved, const Tensor& direction, double step) const {
    const NoGrad no_grad;
    std::vector<Var> constants(inputs_.begin(), inputs_.end());
    Tensor shifted = inputs_[moved].clone();
    for (int64_t i = 0; i < shifted.elements(); ++i) {
      shifted.data<double>()[i] += step * direction.data<double>()[i];
    }
    constants[moved] = Var(shifted);
    const Tensor output = GetParam().run(constants, DType::f64).value();
    return inner_product(cotangent_like(output), output);
  }

  std::vector<Tensor> inputs_ = inputs_of(GetParam(), DType::f64);
};

TEST_P(DirectionalGradient, EqualsTheSlope) {
  const std::vector<Tensor> gradients = run_forward_and_backward(GetParam(), DType::f64).gradients;
  for (size_t input = 0; input < inputs_.size(); ++input) {
    const Tensor direction = random_tensor(inputs_[input].shape(), DType::f64, 200);
    const double received = inner_product(gradients[input], direction);
    const double expected =
        (objective(input, direction, kDifferenceStep) - objective(input, direction, -kDifferenceStep)) /
        (2 * kDifferenceStep);
    // The terms of the slope have random signs, so it is about as large as the gradient.
    const double size = std::sqrt(inner_product(gradients[input], gradients[input]));
    EXPECT_GT(size, 0.1) << GetParam().name << ", input " << input << ": vacuous";
    EXPECT_NEAR(received, expected, kDirectionalTolerance * size) << GetParam().name << ", input " << input;
  }
}

std::vector<OpCase> large_op_cases() {
  std::vector<OpCase> rows;
  for (const OpCase& row : op_cases()) {
    if (row.large) rows.push_back(row);
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Ops, DirectionalGradient, ::testing::ValuesIn(large_op_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lf
