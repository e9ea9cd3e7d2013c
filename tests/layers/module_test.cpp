// Parameters in another dtype than their own.
#include "layers/module.h"

#include <gtest/gtest.h>

#include "core/kernels/convert.h"
#include "layers/basic.h"
#include "tests/testing.h"

namespace lf {
namespace {

struct Packed {
  Linear module{24, 40, true};
  ParameterBlock block = pack(module);

  Packed() { initialise(module, block, 0.3, 7); }
};

bool share_memory(const Tensor& a, const Tensor& b) { return a.raw() == b.raw(); }

TEST(Parameter, IsItselfInItsOwnDtype) {
  const Packed p;
  EXPECT_TRUE(share_memory(p.module.weight.as(DType::f32), p.module.weight.value));
}

TEST(Parameter, IsCopiedForEveryUseUnlessChangesAreTold) {
  const Packed p;
  const Tensor first = p.module.weight.as(DType::bf16), second = p.module.weight.as(DType::bf16);
  EXPECT_FALSE(share_memory(first, second));
  EXPECT_TRUE(compare(first, cast(p.module.weight.value, DType::bf16), 0));
}

TEST(Parameter, IsCopiedOncePerChange) {
  Packed p;
  p.block.changed();
  const Tensor first = p.module.weight.as(DType::bf16);
  EXPECT_TRUE(share_memory(first, p.module.weight.as(DType::bf16)));
  p.block.values.fill_zero();
  p.block.changed();
  EXPECT_TRUE(compare(p.module.weight.as(DType::bf16), Tensor::zeros({40, 24}, DType::bf16), 0));
  EXPECT_FALSE(compare(first, Tensor::zeros({40, 24}, DType::bf16), 0)) << "a step may still hold it";
  EXPECT_TRUE(compare(p.module.weight.as(DType::f64), Tensor::zeros({40, 24}, DType::f64), 0));
}

// The same bits as the f32 parameter itself gives, whose gradient no copy rounds.
TEST(Parameter, GradientsOfCopiesAreThoseOfTheParameter) {
  const Tensor x = random_tensor({5, 24}, DType::bf16, 3), up = random_tensor({5, 40}, DType::bf16, 4);
  const Packed direct, copied;
  copied.block.changed();
  const Var expected = linear(x, direct.module.weight, direct.module.bias);
  tape().backward(expected, up);
  const Var received = copied.module(x);
  tape().backward(received, up);
  EXPECT_TRUE(compare(received.value(), expected.value(), 0));
  EXPECT_TRUE(compare(copied.block.gradients, direct.block.gradients, 0));
  EXPECT_EQ(copied.block.gradients.dtype(), DType::f32);
}

}  // namespace
}  // namespace lf
