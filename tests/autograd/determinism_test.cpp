// Every op twice, and with one and two threads: outputs and gradients agree to the last bit.
#include <gtest/gtest.h>

#include "tests/autograd/op_cases.h"
#include "tests/testing.h"
#include "tests/thread_count.h"

namespace lf {
namespace {

OpResult run_with_threads(const OpCase& row, DType dtype, int threads) {
  const ThreadCount scope(threads);
  return run_forward_and_backward(row, dtype);
}

void expect_same(const OpResult& a, const OpResult& b) {
  EXPECT_SAME_BITS(a.output, b.output);
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    SCOPED_TRACE(text("gradient of input ", i));
    EXPECT_SAME_BITS(a.gradients[i], b.gradients[i]);
  }
}

class Determinism : public ::testing::TestWithParam<OpCase> {};

TEST_P(Determinism, SameBitsForAnyNumberOfThreads) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    SCOPED_TRACE(name(dtype));
    const OpResult one = run_with_threads(GetParam(), dtype, 1);
    expect_same(one, run_with_threads(GetParam(), dtype, 1));
    for (const int threads : {2, 3}) {
      SCOPED_TRACE(text(threads, " threads"));
      expect_same(one, run_with_threads(GetParam(), dtype, threads));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Determinism, ::testing::ValuesIn(op_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lf
