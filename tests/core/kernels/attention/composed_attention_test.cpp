// The fused kernel and the paper's other implementations compute one thing: outputs and all gradients agree.
#include "layers/composed_attention.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/testing.h"

namespace lf::composed_attention_tests {
namespace {

using enum AttentionImplementation;

struct Case {
  std::string name;
  int64_t T, left, right;
  std::vector<int32_t> dilation = {};
  bool padded = false, relative = false, globals = false;
  double dropout = 0;
};

constexpr int64_t kBatch = 2, kHeads = 2, kWidth = 3;

AttentionPattern pattern_of(const Case& c) {
  AttentionPattern pattern;
  pattern.left = c.left, pattern.right = c.right, pattern.dilation = c.dilation;
  pattern.dropout = {c.dropout, {.seed = 21, .use = 4, .step = 6}};
  if (c.padded) {
    std::vector<uint8_t> mask(static_cast<size_t>(kBatch * c.T), 1);
    mask[2] = mask.back() = mask[mask.size() - 2] = 0;  // one inside row 0, the last two of row 1
    pattern.key_mask = Tensor::from({kBatch, c.T}, mask);
  }
  if (c.globals) {
    // Row 0 has more global tokens than row 1; in a padded case token 2 of row 0 is a padded global one.
    pattern.global_tokens = std::make_shared<const GlobalTokens>(GlobalTokens{{0, 3, 4}, {0, 2, 6, 3}});
  }
  return pattern;
}

// Output, then the gradients of <r, output> by qkv and, where there is one, by the relative term's u, v, r.
std::vector<Tensor> results(AttentionImplementation implementation, const Case& c, DType dtype) {
  const DType parameter = dtype == DType::bf16 ? DType::f32 : dtype;
  const Var qkv = Var::leaf(random_tensor({kBatch, c.T, 3, kHeads, kWidth}, dtype, 1));
  int64_t reach = 1;
  for (const int32_t D : c.dilation) reach = std::max<int64_t>(reach, D);
  RelativeTerm term;
  term.zero_row = std::min(c.right * reach, c.T - 1);
  const int64_t rows = term.zero_row + std::min(c.left * reach, c.T - 1) + 2;
  term.u = Var::leaf(random_tensor({kHeads, kWidth}, parameter, 2));
  term.v = Var::leaf(random_tensor({kHeads, kWidth}, parameter, 3));
  term.r = Var::leaf(random_tensor({rows, kHeads, kWidth}, dtype, 4));
  const Var y = composed_attention(implementation, qkv, pattern_of(c), c.relative ? &term : nullptr);
  tape().backward(y, random_tensor(y.shape(), dtype, 5));
  std::vector<Tensor> all{y.value(), qkv.gradient()->sum};
  if (c.relative) {
    for (const Var& x : {term.u, term.v, term.r}) all.push_back(x.gradient()->sum);
  }
  return all;
}

// The fused kernel in double is what is right for every dtype.
void expect_equals_fused(AttentionImplementation implementation, const Case& c, DType dtype) {
  const auto expected = results(fused, c, DType::f64), received = results(implementation, c, dtype);
  ASSERT_EQ(received.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(text(c.name, ' ', name(dtype), ", result ", i));
    EXPECT_CLOSE(received[i], expected[i], tolerance_of(dtype));
  }
}

std::vector<Case> cases() {
  return {
      {"causal", 11, 3, 0},
      {"symmetric", 11, 2, 2},
      {"uneven", 10, 1, 3},
      {"looks_ahead_only", 7, 0, 2},
      {"itself_only", 7, 0, 0},
      {"whole_blocks", 12, 4, 4},
      {"window_exceeds_tokens", 7, 20, 30},
      {"one_token", 1, 2, 2},
      {"padded", 9, 2, 2, {}, true},
      {"undilated_list", 9, 2, 2, {1, 1}},
      {"dilated", 13, 2, 2, {2, 2}},
      {"dilated_causal", 13, 3, 0, {1, 3}},
      {"relative_causal", 11, 3, 0, {}, false, true},
      {"relative_symmetric", 11, 2, 2, {}, false, true},
      {"relative_exceeds_tokens", 7, 20, 20, {}, false, true},
      {"relative_dilated", 13, 2, 1, {1, 3}, false, true},
      {"dropout", 11, 3, 3, {}, false, false, false, 0.4},
      {"globals", 9, 2, 1, {}, false, false, true},
      {"everything_undilated", 11, 2, 2, {}, true, true, true, 0.3},
      {"everything", 11, 2, 1, {3, 1}, true, true, true, 0.3},
  };
}

bool dilates(const Case& c) {
  return std::any_of(c.dilation.begin(), c.dilation.end(), [](int32_t D) { return D != 1; });
}

class ComposedAttention : public ::testing::TestWithParam<Case> {};

TEST_P(ComposedAttention, EqualsTheFusedKernel) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    expect_equals_fused(full, GetParam(), dtype);
    expect_equals_fused(loop, GetParam(), dtype);
    if (!dilates(GetParam())) expect_equals_fused(chunks, GetParam(), dtype);
  }
}

INSTANTIATE_TEST_SUITE_P(Patterns, ComposedAttention, ::testing::ValuesIn(cases()),
                         [](const auto& row) { return row.param.name; });

TEST(ComposedAttentionErrors, ChunksRefuseDilation) {
  AttentionPattern pattern;
  pattern.left = 2;
  pattern.dilation = {1, 2};
  EXPECT_ERROR_TEXT(composed_attention(chunks, Tensor::zeros({1, 5, 3, 2, 4}, DType::f32), pattern, nullptr),
                    "composed_attention: chunks cannot dilate, got dilation 2; fused, loop and full can");
}

TEST(ComposedAttentionErrors, NamesTheCaller) {
  AttentionPattern pattern;
  pattern.left = -1;
  const Var qkv(Tensor::zeros({1, 5, 3, 2, 4}, DType::f32));
  for (const AttentionImplementation implementation : {full, loop, chunks}) {
    EXPECT_ERROR_TEXT(composed_attention(implementation, qkv, pattern, nullptr),
                      "composed_attention: window of -1 keys left and 0 right; needed >= 0");
  }
}

// What the paper's Figure 1 shows: full attention needs memory for T x T scores, the others for T x window.
TEST(ComposedAttention, MemoryFollowsTheWindowExceptForFull) {
  AttentionPattern pattern;
  pattern.left = pattern.right = 8;
  const auto peak_of = [&](AttentionImplementation implementation, int64_t T) {
    const Var qkv = Var::leaf(random_tensor({1, T, 3, 1, 4}, DType::f32, 1));
    const int64_t before = memory_use(Device::cpu).live;
    reset_peak_memory(Device::cpu);
    backward(sum(composed_attention(implementation, qkv, pattern, nullptr)));
    return static_cast<double>(memory_use(Device::cpu).peak - before);
  };
  for (const AttentionImplementation implementation : {chunks, loop}) {
    EXPECT_LT(peak_of(implementation, 1024) / peak_of(implementation, 256), 5.0);
  }
  EXPECT_GT(peak_of(full, 1024) / peak_of(full, 256), 12.0);
}

}  // namespace
}  // namespace lf::composed_attention_tests
