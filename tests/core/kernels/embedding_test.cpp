// Look-ups of the padding id train nothing; everything else about embeddings is in the table of op cases.
#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/testing.h"

namespace lf {
namespace {

TEST(Embedding, ThePaddingRowGetsNoGradient) {
  const Var table = Var::leaf(random_tensor({4, 3}, DType::f64, 1));
  const Tensor ids = Tensor::from({5}, std::vector<int32_t>{1, 2, 1, 0, 2});
  const auto gradient = [&](int64_t padding) {
    table.gradient()->sum = Tensor();
    backward(sum(embedding(table, ids, 2.0, DType::f64, padding)));
    return table.gradient()->sum.to_doubles();
  };
  EXPECT_EQ(gradient(-1), (std::vector<double>{2, 2, 2, 4, 4, 4, 4, 4, 4, 0, 0, 0}));
  EXPECT_EQ(gradient(1), (std::vector<double>{2, 2, 2, 0, 0, 0, 4, 4, 4, 0, 0, 0}));
  EXPECT_EQ(gradient(3), (std::vector<double>{2, 2, 2, 4, 4, 4, 4, 4, 4, 0, 0, 0}));
}

TEST(Embedding, SelectedRowsMustExist) {
  EXPECT_ERROR_TEXT(
      select_rows(Tensor::zeros({3, 2}, DType::f32), Tensor::from({1}, std::vector<int32_t>{3})),
      "select_rows: id 3 at position 0 is outside the table's 3 rows");
  EXPECT_ERROR_TEXT(select_rows(Tensor::zeros({3}, DType::f32), Tensor::from({1}, std::vector<int32_t>{0})),
                    "select_rows: x is (3), needed (M, D)");
}

}  // namespace
}  // namespace lf
