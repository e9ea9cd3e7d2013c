// The attention operations on the device: the rows of the table of ops, forward and backward, against the
// same numbers in f64 on the CPU.
#include <gtest/gtest.h>

#include "tests/core/kernels/attention/attention_cases.h"
#include "tests/testing.h"

namespace lf {
namespace {

OpResult run_on_device(const OpCase& row, DType dtype) {
  std::vector<Var> inputs;
  for (const Tensor& input : inputs_of(row, dtype)) inputs.push_back(Var::leaf(input.to(Device::cuda)));
  const Var output = row.run(inputs, dtype);
  tape().backward(output, cotangent_like(output.value().to(Device::cpu)).to(Device::cuda));
  OpResult result{output.value().to(Device::cpu), {}};
  for (const Var& input : inputs) {
    const Tensor& sum = input.gradient()->sum;
    result.gradients.push_back(sum.defined() ? sum.to(Device::cpu)
                                             : Tensor::zeros(input.shape(), input.dtype()));
  }
  return result;
}

class DeviceAttention : public ::testing::TestWithParam<OpCase> {
 protected:
  void compare_with_cpu(DType dtype) const {
    const OpResult expected = run_forward_and_backward(GetParam(), DType::f64);
    const OpResult received = run_on_device(GetParam(), dtype);
    EXPECT_CLOSE(received.output, expected.output, tolerance_of(dtype));
    for (size_t i = 0; i < expected.gradients.size(); ++i) {
      SCOPED_TRACE(text(GetParam().name, ' ', name(dtype), ", gradient of input ", i));
      EXPECT_CLOSE(received.gradients[i], expected.gradients[i], tolerance_of(dtype));
    }
  }
};

TEST_P(DeviceAttention, F64) {
  if (GetParam().large) GTEST_SKIP() << "f32 runs the same code";
  compare_with_cpu(DType::f64);
}
TEST_P(DeviceAttention, F32) { compare_with_cpu(DType::f32); }
TEST_P(DeviceAttention, Bf16) { compare_with_cpu(DType::bf16); }

INSTANTIATE_TEST_SUITE_P(Ops, DeviceAttention, ::testing::ValuesIn(attention_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lf
