// Every row of the table of operations on the device, through the kernels' own source, against the CPU in
// f64; and the parts of kernels that no row reaches: long rows, many ids, addresses that vectors do not fit,
// sums of several blocks, indices that are wrong. Attention has tests of its own, so its rows are left out
// here.
#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "tests/attention_cases.h"
#include "tests/op_cases.h"
#include "tests/simt/executor.h"
#include "tests/testing.h"

namespace lf {
namespace {

// Every row but those of attention.
std::vector<OpCase> device_rows() {
  std::vector<OpCase> rows = op_cases();
  for (const OpCase& attention : attention_cases()) {
    std::erase_if(rows, [&](const OpCase& row) { return row.name == attention.name; });
  }
  return rows;
}

OpResult run_on_device(const OpCase& row, DType dtype, uint64_t seed) {
  simt::seed_scheduler(seed);
  return run_forward_and_backward(row, dtype, Device::cuda);
}

void expect_same(const OpResult& a, const OpResult& b) {
  EXPECT_SAME_BITS(a.output, b.output);
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    SCOPED_TRACE(text("gradient of input ", i));
    EXPECT_SAME_BITS(a.gradients[i], b.gradients[i]);
  }
}

class DeviceOps : public ::testing::TestWithParam<OpCase> {};

TEST_P(DeviceOps, EqualTheCpuInDoubleAndThemselves) {
  const OpResult expected = run_forward_and_backward(GetParam(), DType::f64);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    SCOPED_TRACE(name(dtype));
    const OpResult received = run_on_device(GetParam(), dtype, 1);
    const double tolerance = tolerance_of(dtype);
    EXPECT_CLOSE(received.output, expected.output, tolerance);
    for (size_t i = 0; i < expected.gradients.size(); ++i) {
      SCOPED_TRACE(text("gradient of input ", i));
      if (GetParam().inputs[i].without_gradient) continue;  // nothing but rounding noise to compare
      EXPECT_CLOSE(received.gradients[i], expected.gradients[i], tolerance);
    }
    expect_same(received, run_on_device(GetParam(), dtype, 2));
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, DeviceOps, ::testing::ValuesIn(device_rows()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lf
