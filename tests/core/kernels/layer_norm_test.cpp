// Layer normalisation where its arithmetic is hardest: rows whose mean is large beside their spread.
#include <gtest/gtest.h>

#include <cmath>

#include "core/kernels/kernels.h"
#include "tests/testing.h"

namespace lf {
namespace {

// The spread of eighths around 1,000 is exact in float; a variance by E[x^2] - E[x]^2 in float would be lost.
TEST(LayerNorm, KeepsTheSpreadBesideALargeMean) {
  constexpr int64_t kRows = 3, kWidth = 515;
  std::vector<float> values;
  std::vector<double> expected;
  for (int64_t row = 0; row < kRows; ++row) {
    std::vector<double> x;
    for (int64_t i = 0; i < kWidth; ++i) {
      x.push_back(1000.0 + static_cast<double>((i * 37 + row * 11) % 64 - 32) / 8);
    }
    double mean = 0, variance = 0;
    for (const double v : x) mean += v / kWidth;
    for (const double v : x) variance += (v - mean) * (v - mean) / kWidth;
    for (const double v : x) {
      values.push_back(static_cast<float>(v));
      expected.push_back((v - mean) / std::sqrt(variance + 1e-5));
    }
  }
  const Shape shape{kRows, kWidth};
  Tensor y = Tensor::empty(shape, DType::f32);
  Tensor mean = Tensor::empty({kRows}, DType::f32), rstd = Tensor::empty({kRows}, DType::f32);
  kernels::layer_norm(Tensor::from(shape, values), Tensor::full({kWidth}, DType::f32, 1),
                      Tensor::zeros({kWidth}, DType::f32), 1e-5, y, mean, rstd);
  EXPECT_CLOSE(y, Tensor::from(shape, expected), 1e-4);
}

}  // namespace
}  // namespace lf
