// Every op in f32 and bf16 against itself in f64, forward and backward, on the same numbers, with every
// instruction set of the processor.
#include <gtest/gtest.h>

#include "tests/autograd/op_cases.h"
#include "tests/core/kernels/simd_targets.h"
#include "tests/testing.h"

namespace lf {
namespace {

class DTypeParity : public ::testing::TestWithParam<OpCase> {
 protected:
  void compare_with_double(DType dtype) const {
    const OpResult expected = run_forward_and_backward(GetParam(), DType::f64);
    const OpResult received = run_forward_and_backward(GetParam(), dtype);
    const double tolerance = tolerance_of(dtype);
    EXPECT_CLOSE(received.output, expected.output, tolerance);
    for (size_t i = 0; i < expected.gradients.size(); ++i) {
      SCOPED_TRACE(text(GetParam().name, ' ', name(dtype), ", gradient of input ", i));
      if (GetParam().inputs[i].without_gradient) continue;  // nothing but rounding noise to compare
      EXPECT_CLOSE(received.gradients[i], expected.gradients[i], tolerance);
    }
  }
};

TEST_P(DTypeParity, F32) {
  on_every_simd_target([&] { compare_with_double(DType::f32); });
}
TEST_P(DTypeParity, Bf16) {
  on_every_simd_target([&] { compare_with_double(DType::bf16); });
}

INSTANTIATE_TEST_SUITE_P(Ops, DTypeParity, ::testing::ValuesIn(op_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lf
