// Products of a few rows against the plain loop that double precision takes, on every instruction set.
#include "core/kernels/few_rows.h"

#include <gtest/gtest.h>

#include "core/kernels/kernels.h"
#include "tests/core/kernels/simd_targets.h"
#include "tests/testing.h"
#include "tests/thread_count.h"

namespace lf {
namespace {

Tensor product(const Tensor& a, const Tensor& b) {
  Tensor c = Tensor::empty({a.dim(0), b.dim(0)}, a.dtype());
  kernels::linear(a, b, Tensor(), c);
  return c;
}

TEST(FewRows, AreProducts) {
  for (const auto& [rows, columns, depth] : std::vector<std::array<int64_t, 3>>{{8, 64, 1},  // the least
                                                                                {9, 65, 7},
                                                                                {16, 131, 64},
                                                                                {31, 200, 65},
                                                                                {33, 66, 300},
                                                                                {64, 129, 193}}) {
    SCOPED_TRACE(text(rows, " x ", columns, " x ", depth));
    ASSERT_TRUE(kernels::has_few_rows({rows, columns, depth, false, true}));
    const Tensor a = random_tensor({rows, depth}, DType::f64, 1),
                 b = random_tensor({columns, depth}, DType::f64, 2);
    const Tensor expected = product(a, b);
    on_every_simd_target([&] {
      for (const int threads : {1, 3}) {
        const ThreadCount scope(threads);
        EXPECT_CLOSE(product(cast(a, DType::f32), cast(b, DType::f32)), expected, 2e-6);
      }
    });
  }
}

TEST(FewRows, DoNotDependOnEachOther) {
  const Tensor a = random_tensor({64, 300}, DType::f32, 1), b = random_tensor({129, 300}, DType::f32, 2);
  const Tensor all = product(a, b);
  for (const int64_t rows : {8, 17, 40})
    EXPECT_SAME_BITS(product(a.slice(20, 20 + rows), b), all.slice(20, 20 + rows));
}

TEST(FewRows, AreNeitherOneNorMany) {
  EXPECT_FALSE(kernels::has_few_rows({7, 768, 768, false, true}));
  EXPECT_FALSE(kernels::has_few_rows({65, 768, 768, false, true}));
  EXPECT_FALSE(kernels::has_few_rows({32, 63, 768, false, true}));
  EXPECT_FALSE(kernels::has_few_rows({32, 768, 0, false, true}));
  EXPECT_FALSE(kernels::has_few_rows({32, 768, 768, false, false}));
  EXPECT_FALSE(kernels::has_few_rows({32, 768, 768, true, true}));
}

}  // namespace
}  // namespace lf
