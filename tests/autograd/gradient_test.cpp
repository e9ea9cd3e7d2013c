// The gradient of every op against central differences in double: d<r, f(x)>/dx for a fixed random r, every
// element of every input. A sum in place of r would hide errors of symmetric ops (softmax).
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>

#include "tests/autograd/op_cases.h"
#include "tests/testing.h"

namespace lf {
namespace {

constexpr double kTolerance = 1e-7;
constexpr double kLeastGradient = 1e-3;  // below this a wrong factor would go unnoticed

class Gradient : public ::testing::TestWithParam<OpCase> {
 protected:
  // Thousands of tiny calls: starting threads for each would take most of the time.
  Gradient() { omp_set_num_threads(1); }
  ~Gradient() override { omp_set_num_threads(threads_); }

  // <r, f(inputs)> without recording.
  double objective() const {
    const NoGrad no_grad;
    const std::vector<Var> constants(inputs_.begin(), inputs_.end());
    const Tensor output = GetParam().run(constants, DType::f64).value();
    return inner_product(cotangent_like(output), output);
  }

  double central_difference(double& element) const {
    const double before = element;
    element = before + kDifferenceStep;
    const double above = objective();
    element = before - kDifferenceStep;
    const double below = objective();
    element = before;
    return (above - below) / (2 * kDifferenceStep);
  }

  std::string describe(size_t input, int64_t element) const {
    std::string shapes;
    for (const Tensor& tensor : inputs_) shapes += text(' ', tensor.shape());
    return text(GetParam().name, shapes, ", input ", input, ", element ",
                place_of(element, inputs_[input].shape()));
  }

  int threads_ = omp_get_max_threads();
  std::vector<Tensor> inputs_ = inputs_of(GetParam(), DType::f64);
};

TEST_P(Gradient, EqualsCentralDifferences) {
  const std::vector<Tensor> gradients = run_forward_and_backward(GetParam(), DType::f64).gradients;
  ASSERT_EQ(gradients.size(), inputs_.size());
  for (size_t input = 0; input < inputs_.size(); ++input) {
    double largest = 0;
    for (int64_t i = 0; i < inputs_[input].elements(); ++i) {
      const double received = gradients[input].data<double>()[i];
      const double expected = central_difference(inputs_[input].data<double>()[i]);
      largest = std::max(largest, std::abs(received));
      const double error =
          std::abs(expected - received) / std::max(1.0, std::abs(expected) + std::abs(received));
      // Not `error > tolerance`: a NaN must fail.
      ASSERT_TRUE(error < kTolerance) << describe(input, i) << ": expected " << expected << ", received "
                                      << received << ", error " << error;
    }
    if (GetParam().inputs[input].without_gradient) {
      EXPECT_LT(largest, 1e-9) << describe(input, 0) << " should have no gradient";
    } else {
      EXPECT_GT(largest, kLeastGradient) << describe(input, 0) << ": vacuous, no gradient is large enough";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Gradient, ::testing::ValuesIn(small_op_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lf
