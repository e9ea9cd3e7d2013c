// AdamW against the formula of Loshchilov & Hutter 2019 (algorithm 2) in double, and the squared norm.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "core/kernels/kernels.h"
#include "tests/testing.h"

namespace lf {
namespace {

struct State {
  std::vector<double> parameter, first, second;
};

void update(State& s, const kernels::AdamW& a, const std::vector<double>& gradient) {
  const double t = static_cast<double>(a.step);
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double g = gradient[i] * a.gradient_scale;
    s.first[i] = a.beta1 * s.first[i] + (1 - a.beta1) * g;
    s.second[i] = a.beta2 * s.second[i] + (1 - a.beta2) * g * g;
    const double first = s.first[i] / (1 - std::pow(a.beta1, t));
    const double second = s.second[i] / (1 - std::pow(a.beta2, t));
    s.parameter[i] -=
        a.learning_rate * (first / (std::sqrt(second) + a.epsilon) + a.weight_decay * s.parameter[i]);
  }
}

// Ten steps of kernel and formula side by side; every step has its own learning rate and gradient.
void expect_equals_formula(kernels::AdamW settings, const Shape& shape) {
  Tensor parameter = random_tensor(shape, DType::f32, 1);
  Tensor first = Tensor::zeros(shape, DType::f32), second = Tensor::zeros(shape, DType::f32);
  State expected{parameter.to_doubles(), first.to_doubles(), second.to_doubles()};
  const double peak = settings.learning_rate;
  for (settings.step = 1; settings.step <= 10; ++settings.step) {
    settings.learning_rate = peak * static_cast<double>(settings.step) / 10;
    const Tensor gradient = random_tensor(shape, DType::f32, static_cast<uint32_t>(10 + settings.step), 0.3);
    kernels::adamw(settings, gradient, parameter, first, second);
    update(expected, settings, gradient.to_doubles());
    SCOPED_TRACE(text("step ", settings.step));
    EXPECT_CLOSE(parameter, Tensor::from(shape, expected.parameter), 1e-6);
    EXPECT_CLOSE(first, Tensor::from(shape, expected.first), 1e-6);
    EXPECT_CLOSE(second, Tensor::from(shape, expected.second), 1e-6);
  }
}

TEST(AdamW, EqualsTheFormula) {
  expect_equals_formula({.learning_rate = 0.01}, {37});
  expect_equals_formula({.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.98, .epsilon = 1e-3}, {37});
}
TEST(AdamW, DecaysWeightsApartFromTheGradient) {
  expect_equals_formula({.learning_rate = 0.02, .weight_decay = 0.3}, {5, 7});
}
TEST(AdamW, ScalesTheGradientOnTheWayIn) {
  expect_equals_formula({.learning_rate = 0.02, .epsilon = 1e-2, .weight_decay = 0.1, .gradient_scale = 0.05},
                        {41});
}
TEST(AdamW, UpdatesEveryElementOfALongBlock) { expect_equals_formula({.learning_rate = 0.01}, {70001}); }

TEST(SumOfSquares, IsInDoubleAndInAFixedOrder) {
  const Tensor x = random_tensor({200003}, DType::f32, 3);
  double expected = 0;
  for (const double value : x.to_doubles()) expected += value * value;
  const double received = sum_of_squares(x);
  EXPECT_NEAR(received, expected, 1e-11 * expected);
  const int threads = omp_get_max_threads();
  for (const int count : {1, 2, 3}) {
    omp_set_num_threads(count);
    EXPECT_EQ(sum_of_squares(x), received);
  }
  omp_set_num_threads(threads);
  const Tensor huge = Tensor::full({3}, DType::f32, 1e30);  // its square exceeds a float
  EXPECT_NEAR(sum_of_squares(huge), 3e60, 1e54);
}

TEST(SumOfSquares, ShowsWhatIsNotFinite) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const Tensor x = Tensor::full({1001}, DType::f32, 1.0);
    x.data<float>()[1000] = static_cast<float>(bad);
    EXPECT_FALSE(std::isfinite(sum_of_squares(x)));
  }
}

}  // namespace
}  // namespace lf
