// What Device::plan counts is what the CPU uses: every operation of the table, forward and backward.
#include "core/plan.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "core/operations.h"
#include "tests/autograd/op_cases.h"
#include "tests/testing.h"

namespace lf {
namespace {

// Of one run, which starts without cached blocks.
struct Counted {
  MemoryUse memory;
  Operations operations;
};

Counted count(const OpCase& row, DType dtype, Device device) {
  release_cached_memory(device);
  reset_peak_memory(device);
  const MemoryUse before = memory_use(device);
  const Operations asked = operations();
  run_forward_and_backward(row, dtype, device);
  MemoryUse after = memory_use(device);
  after.live -= before.live;
  after.peak -= before.live;
  after.touched -= before.touched;
  return {after,
          {operations().products - asked.products, operations().attention - asked.attention,
           operations().again - asked.again}};
}

class PlannedOps : public ::testing::TestWithParam<OpCase> {};

TEST_P(PlannedOps, NeedWhatTheCpuUses) {
  run_forward_and_backward(GetParam(), DType::f32);  // frees what an earlier test left on the tape
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    SCOPED_TRACE(name(dtype));
    const Counted used = count(GetParam(), dtype, Device::cpu);
    const Plan plan(Device::cpu);
    const Counted planned = count(GetParam(), dtype, Device::plan);
    EXPECT_EQ(planned.memory.live, used.memory.live);
    EXPECT_EQ(planned.memory.peak, used.memory.peak);
    EXPECT_EQ(planned.memory.cached, used.memory.cached);
    EXPECT_EQ(planned.memory.touched, used.memory.touched);
    EXPECT_EQ(planned.memory.scratch_peak, used.memory.scratch_peak);
    EXPECT_GT(planned.memory.peak, 0);
    EXPECT_EQ(planned.operations.products, used.operations.products);
    EXPECT_EQ(planned.operations.attention, used.operations.attention);
    EXPECT_EQ(planned.operations.again, used.operations.again);
    EXPECT_EQ(plan.kernel_seconds(), 0);
  }
}

TEST_P(PlannedOps, AreTimed) {
  if (GetParam().name == "reshape" || GetParam().name == "dropout_off") GTEST_SKIP() << "runs no kernel";
  const Plan plan(Device::cpu, 0.5);
  count(GetParam(), DType::f32, Device::plan);
  EXPECT_GT(plan.kernel_seconds(), 0);
  EXPECT_LT(plan.kernel_seconds(), 5);
}

INSTANTIATE_TEST_SUITE_P(Ops, PlannedOps, ::testing::ValuesIn(op_cases()),
                         [](const auto& row) { return row.param.name; });

// y = x w^T: 2 N I O forward, as many for either gradient.
TEST(Plan, CountsProductsOnEveryDevice) {
  const auto products_of = [](Device device) {
    const Operations before = operations();
    const Var x = Var::leaf(Tensor::zeros({4, 8}, DType::f32, device)),
              w = Var::leaf(Tensor::zeros({5, 8}, DType::f32, device));
    backward(sum(linear(x, w)));
    return operations().products - before.products;
  };
  EXPECT_EQ(products_of(Device::cpu), 3 * 2 * 4 * 8 * 5);
  const Plan plan(Device::cpu);
  EXPECT_EQ(products_of(Device::plan), 3 * 2 * 4 * 8 * 5);
}

// A block that backward runs again is counted apart: the model needs it once.
TEST(Plan, CountsRecomputedProductsApart) {
  const Plan plan(Device::cpu);
  const Var x = Var::leaf(Tensor::zeros({4, 8}, DType::f32, Device::plan)),
            w = Var::leaf(Tensor::zeros({8, 8}, DType::f32, Device::plan));
  const Operations before = operations();
  backward(sum(recompute([&](const Var& in) { return linear(in, w); }, x)));
  EXPECT_EQ(operations().products - before.products, 3 * 2 * 4 * 8 * 8);
  EXPECT_EQ(operations().again - before.again, 2 * 4 * 8 * 8);
}

TEST(Plan, AllocatesNothing) {
  const MemoryUse before = memory_use(Device::cpu);
  const Plan plan(Device::cpu);
  const Tensor large = Tensor::zeros({1 << 20, 1 << 20}, DType::f64, Device::plan);
  EXPECT_GE(memory_use(Device::plan).live, int64_t{1} << 43);
  EXPECT_EQ(memory_use(Device::cpu).live, before.live);
  EXPECT_EQ(large.device(), Device::plan);
}

// A process has of a block what was written: the largest of its tensors.
TEST(Plan, CountsWhatWasTouched) {
  const auto touched_by = [](Device device) {
    release_cached_memory(device);
    const int64_t before = memory_use(device).touched;
    std::vector<int64_t> touched;
    for (const int64_t floats : {250, 240, 256, 252}) {  // all in blocks of 1024 bytes
      Tensor::empty({floats}, DType::f32, device);
      touched.push_back(memory_use(device).touched - before);
    }
    return touched;
  };
  if (kGuardBytes > 0) GTEST_SKIP() << "guards are part of the blocks";
  const std::vector<int64_t> expected{1000, 1000, 1024, 1024};
  EXPECT_EQ(touched_by(Device::cpu), expected);
  const Plan plan(Device::cpu);
  EXPECT_EQ(touched_by(Device::plan), expected);
}

// On a plan of the CPU a tensor in CPU memory is one of the plan's: seen from either it is counted once.
TEST(Plan, OfTheCpuHasOneMemory) {
  const Plan plan(Device::cpu);
  const Tensor ids = Tensor::from({1000}, std::vector<int32_t>(1000, 7));
  const int64_t once = memory_use(Device::plan).live;
  EXPECT_GE(once, 4000);
  const Tensor there = ids.to(Device::plan);
  EXPECT_EQ(there.device(), Device::plan);
  const Tensor back = there.to(Device::cpu);
  EXPECT_EQ(memory_use(Device::plan).live, once);
  EXPECT_EQ(back.data<int32_t>()[999], 0);
}

TEST(Plan, OfADeviceCountsWhatIsThere) {
  const Plan plan(Device::cuda);
  const Tensor ids = Tensor::from({1000}, std::vector<int32_t>(1000, 7));
  EXPECT_EQ(memory_use(Device::plan).live, 0);
  const Tensor there = ids.to(Device::plan);
  EXPECT_GE(memory_use(Device::plan).live, 4000);
}

TEST(Plan, HasNoElements) {
  EXPECT_ERROR_TEXT(Tensor::zeros({2}, DType::f32, Device::plan), "this thread has begun no plan");
  const Plan plan(Device::cpu);
  const Tensor x = Tensor::full({2, 3}, DType::f32, 5, Device::plan);
  EXPECT_ERROR_TEXT(x.data<float>(), "tensor (2, 3) f32 is planned: it has no elements");
  EXPECT_ERROR_TEXT(x.device_data<float>(), "tensor (2, 3) f32 is planned: it has no elements");
  EXPECT_ERROR_TEXT(x.raw(), "tensor (2, 3) f32 is planned: it has no elements");
  EXPECT_EQ(x.to_doubles(), std::vector<double>(6, 0));
  EXPECT_EQ(read_together({x.slice(0, 1).window(0, {}), x.window(5, {})}), std::vector<double>(2, 0));
}

// An earlier plan goes on where an inner one ends, and what outlives a plan gives its memory back to it.
TEST(Plan, PlansNest) {
  const Plan outer(Device::cpu);
  Tensor kept;
  {
    const Plan inner(Device::cpu);
    kept = Tensor::empty({64}, DType::f32, Device::plan);
    EXPECT_GE(memory_use(Device::plan).live, 256);
  }
  EXPECT_EQ(memory_use(Device::plan).live, 0);
  kept = Tensor();
  EXPECT_EQ(memory_use(Device::plan).cached, 0);
}

}  // namespace
}  // namespace lf
