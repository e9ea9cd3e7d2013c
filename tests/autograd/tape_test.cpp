// The gradient engine: how gradients gather, what is recorded, what is freed, and what happens when a step
// fails.
#include "autograd/tape.h"
#include "core/kernels/convert.h"

#include <gtest/gtest.h>

#include <utility>

#include "autograd/ops.h"
#include "tests/testing.h"

namespace lf {
namespace {

Tensor random(const Shape& shape, uint32_t stream, DType dtype = DType::f64) {
  return random_tensor(shape, dtype, stream);
}

const Tensor& gradient(const Var& x) { return x.gradient()->sum; }

TEST(Tape, AddsTheGradientsOfAValueUsedTwice) {
  const Var x = Var::leaf(random({3, 4}, 1));
  const Tensor r = random({3, 4}, 2);
  tape().backward(add(x, scale(x, 3)), r);
  Tensor expected = Tensor::like(r);
  for (int64_t i = 0; i < 12; ++i) expected.data<double>()[i] = 4 * r.data<double>()[i];
  EXPECT_CLOSE(gradient(x), expected, 1e-15);
}

TEST(Tape, AnOpMayReceiveOneValueTwice) {
  const Var x = Var::leaf(Tensor::from({2}, std::vector<double>{2, -3}));
  tape().backward(add(x, x), Tensor::from({2}, std::vector<double>{1, 10}));
  EXPECT_EQ(gradient(x).to_doubles(), (std::vector<double>{2, 20}));
}

// add() hands the same tensor to both inputs: gathering more into one must not change the other.
TEST(Tape, TwinGradientsStayApart) {
  const Var a = Var::leaf(random({5}, 1)), b = Var::leaf(random({5}, 2));
  const Tensor r = random({5}, 3);
  const Var first = scale(a, 1), y = add(scale(add(a, b), 1), scale(first, 7));
  tape().backward(y, r);
  EXPECT_CLOSE(gradient(b), r, 1e-15);
  Tensor expected = Tensor::like(r);
  for (int64_t i = 0; i < 5; ++i) expected.data<double>()[i] = 8 * r.data<double>()[i];
  EXPECT_CLOSE(gradient(a), expected, 1e-15);
}

TEST(Tape, GradientsGatherOverBackwardCalls) {
  const Var x = Var::leaf(Tensor::from({2}, std::vector<float>{1, 2}));
  for (int i = 0; i < 3; ++i) backward(sum(scale(x, 2)));
  EXPECT_EQ(gradient(x).to_doubles(), (std::vector<double>{6, 6}));
}

TEST(Tape, AFixedGradientIsAddedInPlace) {
  const Tensor block = Tensor::full({4}, DType::f32, 1.0);
  const auto place = std::make_shared<Gradient>(Gradient{{2}, DType::f32, block.slice(1, 3), true});
  const Var x(Tensor::from({2}, std::vector<float>{5, 6}), place);
  backward(sum(add(scale(x, 2), scale(x, 3))));
  EXPECT_EQ(block.to_doubles(), (std::vector<double>{1, 6, 6, 1}));
}

TEST(Tape, AnOutputThatTheLossIgnoresGetsNoGradient) {
  const Var x = Var::leaf(random({3}, 1)), unused = Var::leaf(random({3}, 2));
  const Var ignored = scale(add(x, unused), 2);
  backward(sum(scale(x, 5)));
  EXPECT_EQ(gradient(x).to_doubles(), std::vector<double>(3, 5.0));
  EXPECT_FALSE(gradient(unused).defined());
  EXPECT_TRUE(tape().empty());
}

TEST(Tape, ConstantsAreNotRecorded) {
  const Var x(random({3}, 1));
  EXPECT_FALSE(add(x, scale(x, 2)).needs_gradient());
  EXPECT_TRUE(tape().empty());
}

TEST(Tape, CastCarriesGradientsBackInTheirOwnType) {
  const Var x = Var::leaf(random({6}, 1, DType::f32));
  tape().backward(cast(x, DType::bf16), random({6}, 2, DType::bf16));
  EXPECT_EQ(gradient(x).dtype(), DType::f32);
  EXPECT_EQ(gradient(x).to_doubles(), random({6}, 2, DType::f32).to_doubles());
  EXPECT_EQ(cast(x, DType::f32).value().raw(), x.value().raw());
}

TEST(NoGrad, RecordsNothingUntilItEnds) {
  const Var x = Var::leaf(random({3}, 1));
  {
    const NoGrad outer;
    { const NoGrad inner; }
    EXPECT_FALSE(tape().recording());
    EXPECT_FALSE(scale(x, 2).needs_gradient());
    EXPECT_FALSE(recompute([](const Var& in) { return scale(in, 2); }, x).needs_gradient());
    EXPECT_TRUE(tape().empty());
  }
  EXPECT_TRUE(tape().recording());
  backward(sum(x));
  EXPECT_TRUE(gradient(x).defined());
}

TEST(Tape, RefusesALossWithoutGradient) {
  const Var x = Var::leaf(random({2, 2}, 1));
  EXPECT_ERROR_TEXT(backward(Var(Tensor::full({}, DType::f32, 1))),
                    "backward: this value depends on no parameter");
  EXPECT_ERROR_TEXT(backward(x), "backward: the loss is (2, 2), needed one element");
  EXPECT_ERROR_TEXT(tape().backward(scale(x, 2), random({4}, 2)),
                    "gradient is (4) f64 for a value (2, 2) f64");
  EXPECT_ERROR_TEXT(tape().backward(scale(x, 2), random({2, 2}, 2, DType::f32)),
                    "gradient is (2, 2) f32 for a value (2, 2) f64");
  EXPECT_TRUE(tape().empty());
}

TEST(Tape, AThrowInBackwardLeavesItEmpty) {
  const Var x = Var::leaf(random({2}, 1));
  const auto failing = [&](const char* op, const Tape::Backward& f) {
    return tape().record(op, scale(x, 2).value(), {x}, f);
  };
  EXPECT_ERROR_TEXT(
      backward(sum(failing("thrower", [](const Tensor&) -> std::vector<Tensor> { throw Error("planted"); }))),
      "planted");
  EXPECT_TRUE(tape().empty());
  EXPECT_ERROR_TEXT(backward(sum(failing("shy", [](const Tensor&) { return std::vector<Tensor>(); }))),
                    "shy: backward returned 0 gradients for 1 inputs");
  EXPECT_TRUE(tape().empty());
  EXPECT_ERROR_TEXT(backward(sum(failing("wide", [](const Tensor&) { return std::vector{random({3}, 1)}; }))),
                    "backward of wide, input 0: gradient is (3) f64 for a value (2) f64");
  EXPECT_TRUE(tape().empty());
  backward(sum(scale(x, 3)));  // and it works again
  EXPECT_EQ(gradient(x).to_doubles(), (std::vector<double>{3, 3}));
}

TEST(Tape, AFailedBackwardOfConstantsForgetsTheStepsToo) {
  const Var x = Var::leaf(random({2}, 1));
  const Var pending = scale(x, 2);
  EXPECT_ERROR_TEXT(backward(Var(Tensor::full({}, DType::f32, 1))), "depends on no parameter");
  EXPECT_TRUE(tape().empty());
}

// One feed-forward block with a dropout inside: what training recomputes.
struct Block {
  Var weight = Var::leaf(random({6, 4}, 11, DType::f32)), bias = Var::leaf(random({6}, 12, DType::f32));
  Var gamma = Var::leaf(random({6}, 13, DType::f32)), beta = Var::leaf(random({6}, 14, DType::f32));
  Dropout drop{0.3, {.seed = 1, .use = 2, .step = 3}};

  Var operator()(const Var& x) const {
    return layer_norm(gelu_dropout(linear(x, weight, bias), drop), gamma, beta, 1e-5);
  }
  std::vector<Tensor> gradients() const {
    return {gradient(weight), gradient(bias), gradient(gamma), gradient(beta)};
  }
};

TEST(Recompute, EqualsThePlainCallToTheLastBit) {
  const Tensor values = random({7, 4}, 1, DType::f32), r = random({7, 6}, 2, DType::f32);
  const Block plain, saving;
  const Var x = Var::leaf(values), saved_x = Var::leaf(values);
  const Var y = plain(x);
  tape().backward(y, r);
  const Var saved_y = recompute([&](const Var& in) { return saving(in); }, saved_x);
  tape().backward(saved_y, r);
  EXPECT_SAME_BITS(saved_y.value(), y.value());
  EXPECT_SAME_BITS(gradient(saved_x), gradient(x));
  for (size_t i = 0; i < 4; ++i) EXPECT_SAME_BITS(saving.gradients()[i], plain.gradients()[i]);
}

TEST(Recompute, OfAConstantStillReachesTheParameters) {
  const Tensor values = random({7, 4}, 1, DType::f32), r = random({7, 6}, 2, DType::f32);
  const Block plain, saving;
  tape().backward(plain(values), r);
  tape().backward(recompute([&](const Var& in) { return saving(in); }, values), r);
  for (size_t i = 0; i < 4; ++i) EXPECT_SAME_BITS(saving.gradients()[i], plain.gradients()[i]);
}

TEST(Recompute, MayBeNested) {
  const Tensor values = random({5}, 1), r = random({5}, 2);
  const auto inner = [](const Var& in) { return gelu_dropout(in, {}); };
  const auto outer = [&](const Var& in) { return gelu_dropout(recompute(inner, scale(in, 2)), {}); };
  const Var x = Var::leaf(values), saved_x = Var::leaf(values);
  tape().backward(gelu_dropout(inner(scale(x, 2)), {}), r);
  tape().backward(recompute(outer, saved_x), r);
  EXPECT_SAME_BITS(gradient(saved_x), gradient(x));
}

// Notes, for each gradient that is complete, its value at that moment.
class Noted : public GradientWatch {
 public:
  void begins(const std::vector<const Gradient*>& awaited) override { count = awaited.size(); }
  void completed(const Gradient& gradient) override {
    order.push_back(&gradient);
    values.push_back(gradient.sum.to_doubles());
  }

  size_t count = 0;
  std::vector<const Gradient*> order;
  std::vector<std::vector<double>> values;
};

// Like a parameter's.
Var fixed_leaf(uint32_t stream) {
  Var x = Var::leaf(random({4}, stream));
  x.gradient()->sum = Tensor::zeros({4}, DType::f64);
  x.gradient()->fixed = true;
  return x;
}

TEST(GradientWatch, TellsOfAGradientWhenNothingMoreIsAddedToIt) {
  for (const bool recomputes : {false, true}) {
    const Var early = fixed_leaf(1), tied = fixed_leaf(2), late = fixed_leaf(3), unused = fixed_leaf(4);
    const auto part = [&](const Var& x) { return gelu_dropout(add(multiply(x, early), tied), {}); };
    const Var x(random({4}, 5));
    const Var middle = recomputes ? recompute(part, x) : part(x);
    const Var loss = sum(multiply(add(middle, late), tied));
    Noted noted;
    backward(loss);
    EXPECT_EQ(noted.count, 3u);
    ASSERT_EQ(noted.order.size(), 3u);
    EXPECT_EQ(noted.order.front(), late.gradient().get());
    const Var* all[] = {&early, &tied, &late};
    for (size_t i = 0; i < noted.order.size(); ++i) {
      for (const Var* parameter : all) {
        if (parameter->gradient().get() != noted.order[i]) continue;
        EXPECT_EQ(noted.values[i], gradient(*parameter).to_doubles()) << "more was added later";
      }
    }
  }
}

TEST(Recompute, KeepsOnlyItsInput) {
  const Var x = Var::leaf(Tensor::zeros({1000}, DType::f32));
  const auto deep = [](const Var& in) {
    Var y = in;
    for (int i = 0; i < 8; ++i) y = gelu_dropout(y, {});
    return y;
  };
  const int64_t before = memory_use(Device::cpu).live;
  const Var y = recompute(deep, x);
  EXPECT_LT(memory_use(Device::cpu).live - before, 2 * 4500);  // one output, not eight
  backward(sum(y));
}

TEST(Recompute, AThrowInsideLeavesBothTapesUsable) {
  const Var x = Var::leaf(random({2}, 1));
  int calls = 0;
  const auto failing = [&](const Var& in) {
    CHECK(++calls < 2, "planted");
    return scale(in, 2);
  };
  EXPECT_ERROR_TEXT(backward(sum(recompute(failing, x))), "planted");
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(tape().empty());
  EXPECT_TRUE(tape().recording());
  backward(sum(scale(x, 3)));
  EXPECT_EQ(gradient(x).to_doubles(), (std::vector<double>{3, 3}));
}

TEST(Tape, LiveMemoryAfterAStepEqualsLiveMemoryBefore) {
  const Block block;
  const Tensor values = random({7, 4}, 1, DType::f32);
  const auto step = [&](bool recomputing) {
    const auto f = [&](const Var& in) { return block(in); };
    const Var x(values);
    backward(sum(recomputing ? recompute(f, x) : f(x)));
  };
  step(false);  // the parameters' gradients appear
  const int64_t before = memory_use(Device::cpu).live;
  for (const bool recomputing : {false, true}) {
    step(recomputing);
    EXPECT_EQ(memory_use(Device::cpu).live, before);
  }
}

// What a step saved is freed as soon as it has run, so backward needs little more than forward left behind.
TEST(Tape, BackwardFreesAsItGoes) {
  const Var x = Var::leaf(Tensor::zeros({100'000}, DType::f32));
  Var y = x;
  for (int i = 0; i < 10; ++i) y = gelu_dropout(y, {});
  const Var loss = sum(y);
  y = Var();
  reset_peak_memory(Device::cpu);
  const int64_t before = memory_use(Device::cpu).live;
  backward(loss);
  EXPECT_LT(memory_use(Device::cpu).peak - before, 3 * 500'000);
}

TEST(CrossEntropy, WritesItsGradientOverLogitsThatNobodyElseHolds) {
  const Tensor x = random({1000, 50}, 1, DType::f32);
  const Var bias = Var::leaf(random({50}, 2, DType::f32));
  const Tensor targets = Tensor::from({1000}, std::vector<int32_t>(1000, 7));
  const Var first_loss = sum(cross_entropy(add_bias(x, bias), targets));
  reset_peak_memory(Device::cpu);
  const int64_t before = memory_use(Device::cpu).live;
  backward(first_loss);
  EXPECT_LT(memory_use(Device::cpu).peak - before, x.bytes() / 2);
  const Tensor in_place = std::exchange(bias.gradient()->sum, {});
  const Var logits = add_bias(x, bias);
  const Tensor copy = logits.value().clone();
  backward(sum(cross_entropy(logits, targets)));
  EXPECT_SAME_BITS(logits.value(), copy);
  EXPECT_SAME_BITS(bias.gradient()->sum, in_place);
}

}  // namespace
}  // namespace lf
