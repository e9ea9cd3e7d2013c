// Dropout of rows of a larger whole: they draw the bits that the whole draws for them.
#include <gtest/gtest.h>

#include "core/kernels/kernels.h"
#include "tests/testing.h"

namespace lf {
namespace {

constexpr int64_t kRows = 300, kWidth = 24, kFirst = 7, kLast = 291;

class DropoutOfRows : public testing::TestWithParam<DType> {
 protected:
  Tensor whole(uint32_t stream) const { return random_tensor({kRows, kWidth}, GetParam(), stream); }
  static Tensor part_of(const Tensor& x) { return x.slice(kFirst, kLast); }

  const Dropout drop{0.3, {.seed = 4, .use = kFirstDropoutUse, .step = 1}};
  const Dropout placed{0.3, drop.key, kFirst};
};

TEST_P(DropoutOfRows, RowsDrawTheBitsOfTheWhole) {
  const Tensor x = whole(1), residual = whole(2), dy = whole(3);
  Tensor y = Tensor::like(x), part = Tensor::like(part_of(x));
  kernels::dropout(x, drop, y);
  kernels::dropout(part_of(x), placed, part);
  EXPECT_SAME_BITS(part, part_of(y));
  kernels::add_dropout(residual, x, drop, y);
  kernels::add_dropout(part_of(residual), part_of(x), placed, part);
  EXPECT_SAME_BITS(part, part_of(y));
  kernels::gelu_dropout(x, drop, y);
  kernels::gelu_dropout(part_of(x), placed, part);
  EXPECT_SAME_BITS(part, part_of(y));
  kernels::gelu_dropout_backward(x, drop, dy, y);
  kernels::gelu_dropout_backward(part_of(x), placed, part_of(dy), part);
  EXPECT_SAME_BITS(part, part_of(y));
}

INSTANTIATE_TEST_SUITE_P(DTypes, DropoutOfRows, testing::Values(DType::f32, DType::bf16, DType::f64),
                         [](const auto& test) { return name(test.param); });

TEST(DropoutOfRowsErrors, BitsAreDrawnForEightElementsAtATime) {
  const Tensor x = random_tensor({4, 5}, DType::f32, 1);
  Tensor y = Tensor::like(x);
  EXPECT_ERROR_TEXT(kernels::dropout(x, {0.3, {}, 3}, y), "3 rows of 5 elements stand before the tensor's");
  kernels::dropout(x, {0.3, {}, 8}, y);
}

}  // namespace
}  // namespace lf
