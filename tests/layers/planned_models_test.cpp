// Whole models on Device::plan: an update and a score need the memory that they use on the CPU, byte for
// byte, and the products that a formula counts.
#include <gtest/gtest.h>

#include "core/operations.h"
#include "core/plan.h"
#include "layers/char_lm.h"
#include "layers/encoder.h"
#include "tests/testing.h"
#include "trainers/optimizer/optimizer.h"

namespace lf {
namespace {

struct Needs {
  MemoryUse memory;
  Operations operations;
};

// Two updates and a score of a new model whose summed losses `loss` gives, without cached blocks at first.
template <class Module, class F>
Needs needs_of(Module module, Device device, F&& loss) {
  release_cached_memory(device);
  reset_peak_memory(device);
  const MemoryUse before = memory_use(device);
  const Operations asked = operations();
  Needs needs;
  {
    const ParameterBlock block = pack(module, DType::f32, device);
    initialise(module, block, 0.02, 1);
    Optimizer optimizer(block, OptimizerSection());
    for (uint64_t step = 0; step < 2; ++step) {
      backward(scale(sum(loss(module, true, step)), 0.1));
      optimizer.step(0.001, optimizer.gradient_norm());
      if (step > 0) continue;
      needs.operations = {operations().products - asked.products, operations().attention - asked.attention,
                          operations().again - asked.again};
    }
    const NoGrad no_grad;
    loss(module, false, 0).value().to_doubles();
    needs.memory = memory_use(device);
  }
  needs.memory.live -= before.live;
  needs.memory.peak -= before.live;
  needs.memory.touched -= before.touched;
  return needs;
}

template <class Module, class F>
Needs expect_planned(const Module& module, F&& loss) {
  needs_of(module, Device::cpu, loss);  // frees what an earlier test left on the tape
  const Needs used = needs_of(module, Device::cpu, loss);
  const Plan plan(Device::cpu);
  const Needs planned = needs_of(module, Device::plan, loss);
  EXPECT_EQ(planned.memory.live, used.memory.live);
  EXPECT_EQ(planned.memory.peak, used.memory.peak);
  EXPECT_EQ(planned.memory.cached, used.memory.cached);
  EXPECT_EQ(planned.memory.touched, used.memory.touched);
  EXPECT_EQ(planned.memory.scratch_peak, used.memory.scratch_peak);
  EXPECT_EQ(planned.operations.products, used.operations.products);
  EXPECT_EQ(planned.operations.attention, used.operations.attention);
  EXPECT_EQ(planned.operations.again, used.operations.again);
  return planned;
}

constexpr int64_t kRows = 2, kLength = 96;

Tensor ids() {
  std::vector<int32_t> values;
  for (int32_t i = 0; i < kRows * kLength; ++i) values.push_back(2 + i * 7 % 29);
  return Tensor::from({kRows, kLength}, values);
}

CharLMPattern pattern_of(AttentionImplementation implementation, bool recompute) {
  return {.layers = {{.window = 8}, {.window = 20, .dilation = {1, 2}}},
          .implementation = implementation,
          .recompute = recompute};
}

Needs expect_planned_char_lm(const CharLMShape& shape, const CharLMPattern& pattern, DType compute) {
  return expect_planned(CharLM(shape), [&](const CharLM& model, bool training, uint64_t step) {
    return model.losses(ids(), ids(), pattern,
                        {.training = training, .compute = compute, .seed = 3, .step = step});
  });
}

const CharLMShape kCharLM{.vocabulary = 100,
                          .layers = 2,
                          .width = 32,
                          .heads = 2,
                          .head_width = 8,
                          .feed_forward = 48,
                          .dropout = 0.1,
                          .attention_dropout = 0.1};

TEST(PlannedModels, CharLM) {
  using enum AttentionImplementation;
  for (const DType compute : {DType::f32, DType::bf16}) {
    for (const bool recompute : {false, true}) {
      SCOPED_TRACE(text(name(compute), recompute ? ", recomputed" : ""));
      expect_planned_char_lm(kCharLM, pattern_of(fused, recompute), compute);
    }
  }
  CharLMPattern without_dilation = pattern_of(chunks, false);
  without_dilation.layers[1].dilation.clear();
  expect_planned_char_lm(kCharLM, without_dilation, DType::f32);
  expect_planned_char_lm(kCharLM, pattern_of(loop, false), DType::f32);
  expect_planned_char_lm(kCharLM, pattern_of(full, false), DType::f32);
}

// q, k, v and output 32 x 16 each, two of 32 x 48, logits 32 x 100, of every token; distances 0..8 and 0..40
// by 32 x 16, which need no gradient of their sinusoids.
TEST(PlannedModels, CharLMNeedsTheProductsOfItsMatrices) {
  const double tokens = kRows * kLength, of_blocks = 2 * tokens * 2 * (4 * 512 + 2 * 1536);
  const double logits = 2 * tokens * 3200, distances = 2 * 512 * (9 + 41);
  for (const bool recompute : {false, true}) {
    const Needs needs =
        expect_planned_char_lm(kCharLM, pattern_of(AttentionImplementation::fused, recompute), DType::f32);
    EXPECT_DOUBLE_EQ(needs.operations.products, 3 * (of_blocks + logits) + 2 * distances);
    // Of 96 tokens a window of 8 misses 8 + ... + 1 keys; one of 20, with dilation 2 in two sequences of 48.
    const double keys = 96 * 9 - 36, wide = 96 * 21 - 210, dilated = 2 * (48 * 21 - 210);
    const double pairs = kRows * (2 * keys + wide + dilated);
    // Scores of content and position and the context; backward those scores again, and the gradients of
    // context by P and V, of scores by q + u, q + v, k and r.
    EXPECT_DOUBLE_EQ(needs.operations.attention, 2 * 8 * (3 + 8) * pairs);
    EXPECT_EQ(needs.operations.again > 0, recompute);
  }
}

// Two sequences of 96 tokens see 4 keys on each side; three global tokens, two of them in the first.
TEST(PlannedModels, AttentionIsOfThePairsThatMeet) {
  const Plan plan(Device::cpu);
  const auto globals = std::make_shared<const GlobalTokens>(GlobalTokens{{0, 2, 3}, {0, 5, 1}});
  const auto asked_by = [&](const std::shared_ptr<const GlobalTokens>& tokens, const Tensor& mask) {
    AttentionPattern pattern;
    pattern.left = pattern.right = 4;
    pattern.global_tokens = tokens;
    pattern.key_mask = mask;
    const Operations before = operations();
    window_attention(Tensor::empty({kRows, kLength, 3, 2, 8}, DType::f32, Device::plan), pattern);
    return (operations().attention - before.attention) / (2 * 8 * 2 * 2);  // per head and K: Q K^T and P V
  };
  const double band = 96 * 9 - 2 * 10;  // 4 keys before and behind, 4 + 3 + 2 + 1 missing on each side
  EXPECT_DOUBLE_EQ(asked_by(nullptr, {}), 2 * band);
  // In the first, tokens 0 and 5 are no band queries (5 and 9 keys) and no band keys (of 4 and 8 others);
  // token 5 sees no 0. In the second token 1 has 6 keys and is one of 5. Local queries see the globals.
  const double first = band - 5 - 9 - 4 - 8, second = band - 6 - 5;
  EXPECT_DOUBLE_EQ(asked_by(globals, {}), first + second + 94 * 2 + 95);
  std::vector<uint8_t> valid(kRows * kLength, 1);
  valid[0] = 0;  // one end: a query of 5 keys, a key of 4 others
  EXPECT_DOUBLE_EQ(asked_by(nullptr, Tensor::from({kRows, kLength}, valid)), 2 * band - 5 - 4);
}

TEST(PlannedModels, MaskedLM) {
  EncoderShape shape{.vocabulary = 50,
                     .width = 32,
                     .layers = 2,
                     .heads = 4,
                     .feed_forward = 48,
                     .positions = kLength + 2,
                     .windows = {8, 12}};
  const auto globals = std::make_shared<const GlobalTokens>(GlobalTokens{{0, 2, 3}, {0, 5, 1}});
  for (const bool recompute : {false, true}) {
    for (const bool global : {false, true}) {
      SCOPED_TRACE(text(recompute ? "recomputed" : "kept", global ? ", global tokens" : ""));
      expect_planned(MaskedLM(shape), [&](const MaskedLM& model, bool training, uint64_t step) {
        const EncoderInput input{.ids = ids(), .global_tokens = global ? globals : nullptr};
        std::vector<int32_t> targets(kRows * kLength, -1);
        for (size_t i = 0; i < targets.size(); i += 7) targets[i] = 5;
        return model.losses(input, Tensor::from({kRows, kLength}, targets),
                            {.training = training, .compute = DType::f32, .seed = 3, .step = step},
                            recompute);
      });
    }
  }
}

}  // namespace
}  // namespace lf
