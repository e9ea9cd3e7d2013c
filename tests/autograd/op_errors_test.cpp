// What every op refuses, and the words it uses.
#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "autograd/ops.h"
#include "tests/testing.h"

namespace lf {
namespace {

Tensor zeros(const Shape& shape, DType dtype = DType::f32) { return Tensor::zeros(shape, dtype); }
Tensor indices(const Shape& shape, const std::vector<int32_t>& values) { return Tensor::from(shape, values); }

TEST(OpErrors, Elementwise) {
  EXPECT_ERROR_TEXT(add(zeros({2, 3}), zeros({3, 2})), "add: (2, 3) f32 and (3, 2) f32 must agree");
  EXPECT_ERROR_TEXT(add(zeros({2}), zeros({2}, DType::bf16)), "add: (2) f32 and (2) bf16 must agree");
  EXPECT_ERROR_TEXT(scale(indices({1}, {1}), 2), "expected a floating dtype (f32, bf16 or f64), got i32");
}

TEST(OpErrors, Dropout) {
  const Dropout all{1.0, {}}, negative{-0.1, {}}, not_a_number{std::nan(""), {}};
  EXPECT_ERROR_TEXT(dropout(zeros({2}), all), "dropout: dropout probability 1 is outside [0, 1)");
  EXPECT_ERROR_TEXT(add_dropout(zeros({2}), zeros({2}), negative),
                    "add_dropout: dropout probability -0.1 is outside [0, 1)");
  EXPECT_ERROR_TEXT(gelu_dropout(zeros({2}), not_a_number),
                    "gelu_dropout: dropout probability nan is outside");
  EXPECT_ERROR_TEXT(add_dropout(zeros({2}), zeros({3}), {}),
                    "add_dropout: residual (2) f32 and x (3) f32 must agree");
}

TEST(OpErrors, Linear) {
  EXPECT_ERROR_TEXT(linear(zeros({4, 7}), zeros({16, 8})),
                    "linear: x is (4, 7), weight is (16, 8); the last axes must agree");
  EXPECT_ERROR_TEXT(linear(zeros({4, 8}), zeros({16, 8}, DType::bf16)),
                    "linear: x is f32, weight is bf16, needed the same or f32");
  EXPECT_ERROR_TEXT(linear(zeros({4, 8}), zeros({16, 8}), zeros({8})),
                    "linear: weight is (16, 8), so bias must be (16) f32; got (8) f32");
  EXPECT_ERROR_TEXT(linear(zeros({4, 8}, DType::bf16), zeros({2, 8}, DType::bf16), zeros({2}, DType::bf16)),
                    "so bias must be (2) f32; got (2) bf16");
  EXPECT_ERROR_TEXT(add_bias(zeros({4, 8}), zeros({4})),
                    "add_bias: x is (4, 8) f32, so bias must be (8) f32; got (4) f32");
}

TEST(OpErrors, Matmul) {
  EXPECT_ERROR_TEXT(matmul(zeros({2, 3, 4}), false, zeros({2, 5, 6}), false),
                    "matmul: a (2, 3, 4) f32 and b (2, 5, 6) f32 do not fit");
  EXPECT_ERROR_TEXT(matmul(zeros({2, 3, 4}), true, zeros({2, 4, 6}), true),
                    "matmul: a (2, 3, 4) transposed f32 and b (2, 4, 6) transposed f32 do not fit");
  EXPECT_ERROR_TEXT(matmul(zeros({2, 3, 4}), false, zeros({3, 4, 6}), false), "do not fit");
  EXPECT_ERROR_TEXT(matmul(zeros({3, 4}), false, zeros({4, 6}), false), "do not fit");
  EXPECT_ERROR_TEXT(matmul(zeros({1, 3, 4}), false, zeros({1, 4, 6}, DType::f64), false), "f64 do not fit");
}

TEST(OpErrors, LayerNorm) {
  EXPECT_ERROR_TEXT(layer_norm(zeros({4, 8}), zeros({7}), zeros({8}), 1e-5),
                    "layer_norm: x is (4, 8), so gamma and beta must be (8); got (7) and (8)");
  EXPECT_ERROR_TEXT(layer_norm(zeros({4, 8}, DType::f64), zeros({8}), zeros({8}), 1e-5),
                    "holds f32, asked for as f64");
  EXPECT_ERROR_TEXT(layer_norm(zeros({4, 0}), zeros({0}), zeros({0}), 1e-5), "layer_norm: x is (4, 0)");
}

TEST(OpErrors, Embedding) {
  const Var table(zeros({5, 2}));
  EXPECT_ERROR_TEXT(embedding(table, indices({3}, {0, 1, 5}), 1, DType::f32),
                    "embedding: id 5 at position 2 is outside the table's 5 rows");
  EXPECT_ERROR_TEXT(embedding(table, indices({2}, {0, -1}), 1, DType::f32),
                    "embedding: id -1 at position 1 is outside the table's 5 rows");
  EXPECT_ERROR_TEXT(embedding(table, zeros({2}), 1, DType::f32),
                    "embedding: table is (5, 2), needed (V, D); ids are f32, needed i32");
  EXPECT_ERROR_TEXT(embedding(zeros({5}), indices({1}, {0}), 1, DType::f32),
                    "embedding: table is (5), needed (V, D)");
}

TEST(OpErrors, CrossEntropy) {
  EXPECT_ERROR_TEXT(cross_entropy(zeros({2, 5}), indices({3}, {0, 1, 2})),
                    "cross_entropy: logits are (2, 5), targets (3) i32; needed (..., V) and (...) i32");
  EXPECT_ERROR_TEXT(cross_entropy(zeros({2, 5}), zeros({2})), "targets (2) f32");
  EXPECT_ERROR_TEXT(cross_entropy(zeros({2, 5}), indices({2}, {0, 5})),
                    "cross_entropy: target 5 at position 1 is outside the vocabulary of 5");
  EXPECT_ERROR_TEXT(cross_entropy(zeros({2, 5}), indices({2}, {-2, 0})),
                    "cross_entropy: target -2 at position 0 is outside the vocabulary of 5");
}

TEST(OpErrors, MarkedCrossEntropy) {
  EXPECT_ERROR_TEXT(
      marked_cross_entropy(zeros({2, 5}), indices({2, 1}, {0, 1}), indices({2}, {0, 2})),
      "marked_cross_entropy: logits are (2, 5), marks (2, 1) i32, groups (2) i32; needed (N, C), "
      "(N, C) i32 and (G+1) i32");
  for (const std::vector<int32_t>& groups : {std::vector{0, 1}, {1, 2}, {0, 2, 1, 2}, {0, 3}})
    EXPECT_ERROR_TEXT(
        marked_cross_entropy(zeros({2, 1}), indices({2, 1}, {0, 1}), indices({std::ssize(groups)}, groups)),
        "marked_cross_entropy: groups must rise from 0 to 2, the rows of logits");
}

TEST(OpErrors, Moves) {
  EXPECT_ERROR_TEXT(reshape(zeros({2, 3}), {4, 2}), "cannot view (2, 3) as (4, 2)");
  EXPECT_ERROR_TEXT(slice(zeros({2, 3}), 1, 3), "slice [1, 3) is outside (2, 3)");
  EXPECT_ERROR_TEXT(swap_axes(zeros({2, 3}), 1), "swap_axes: (2, 3) has no axes 1 and 2");
  EXPECT_ERROR_TEXT(
      gather_columns(zeros({3, 4}), indices({2, 1}, {0, 0})),
      "gather_columns: x is (3, 4), index (2, 1) i32; needed (R, E) i32 with R dividing the rows of x");
  EXPECT_ERROR_TEXT(gather_columns(zeros({3, 4}), zeros({3, 1})), "index (3, 1) f32; needed (R, E) i32");
  EXPECT_ERROR_TEXT(gather_columns(zeros({3, 4}), zeros({0, 1}, DType::i32)),
                    "index (0, 1) i32; needed (R, E) i32");
  EXPECT_ERROR_TEXT(gather_columns(zeros({3, 4}), indices({1, 2}, {0, 4})),
                    "gather_columns: index 4 is outside the 4 columns of x");
  EXPECT_ERROR_TEXT(gather_columns(zeros({3, 4}), indices({1, 2}, {-2, 3})),
                    "gather_columns: index -2 is outside the 4 columns of x");
}

TEST(OpErrors, Diagonals) {
  EXPECT_ERROR_TEXT(
      diagonal_products(zeros({2, 3, 4}), zeros({2, 3, 5}), {{0, 0}}),
      "diagonal_products: (2, 3, 4) f32 and (2, 3, 5) f32; needed one shape (G, K, T) and one dtype");
  EXPECT_ERROR_TEXT(diagonal_products(zeros({2, 3, 4}), zeros({2, 3, 4}), {{0, 0, 0}}),
                    "diagonal_products: 3 offsets for 2 groups");
  EXPECT_ERROR_TEXT(diagonal_sums(zeros({2, 2, 4}), zeros({2, 3, 4}), {{0, 0}}),
                    "diagonal_sums: w is (2, 2, 4) f32, x (2, 3, 4) f32; needed w (1, 2, 4)");
}

AttentionPattern window(int64_t left, int64_t right) {
  AttentionPattern pattern;
  pattern.left = left, pattern.right = right;
  return pattern;
}

std::shared_ptr<const GlobalTokens> globals(std::vector<int64_t> offsets, std::vector<int64_t> positions) {
  return std::make_shared<const GlobalTokens>(GlobalTokens{std::move(offsets), std::move(positions)});
}

class AttentionErrors : public ::testing::Test {
 protected:
  void expect_error(const std::string& words) {
    EXPECT_ERROR_TEXT(window_attention(qkv, pattern), "window_attention: " + words);
  }

  Var qkv{zeros({2, 6, 3, 2, 4})};
  AttentionPattern pattern = window(2, 1);
};

TEST_F(AttentionErrors, Shapes) {
  EXPECT_ERROR_TEXT(window_attention(zeros({2, 6, 2, 4}), pattern),
                    "window_attention: qkv is (2, 6, 2, 4), needed (B, T, 3, H, K)");
  EXPECT_ERROR_TEXT(
      window_attention(zeros({2, 6, 2, 4}), zeros({2, 6, 2, 4}), zeros({2, 5, 2, 4}), pattern),
      "window_attention: q, k, v are (2, 6, 2, 4), (2, 6, 2, 4), (2, 5, 2, 4); needed one shape "
      "(B, T, H, K) and one dtype");
}

TEST_F(AttentionErrors, Pattern) {
  pattern.left = -1;
  expect_error("window of -1 keys left and 1 right; needed >= 0");
  pattern = window(2, 1);
  pattern.dilation = {1, 1, 1};
  expect_error("3 dilations for 2 heads");
  pattern.dilation = {1, 0};
  expect_error("dilation 0; 1 means none");
  pattern = window(2, 1);
  pattern.key_mask = zeros({2, 5}, DType::u8);
  expect_error("key mask is (2, 5), needed (2, 6) u8");
  pattern = window(2, 1);
  pattern.dropout.probability = 1;
  expect_error("dropout probability 1 is outside [0, 1)");
}

TEST_F(AttentionErrors, Offsets) {
  pattern.offsets = {0, 2, 6};
  expect_error("qkv is (2, 6, 3, 2, 4), needed (N, 3, H, K)");
  qkv = zeros({6, 3, 2, 4});
  pattern.offsets = {0, 2, 5};
  expect_error("the offsets of the sequences end at 5, there are 6 tokens");
  pattern.offsets = {0, 7, 6};
  expect_error("the offsets of the sequences must begin with 0 and not fall");
  pattern.offsets = {1, 6};
  expect_error("the offsets of the sequences must begin with 0 and not fall");
}

TEST_F(AttentionErrors, GlobalTokens) {
  pattern.global_tokens = globals({0, 1}, {0});
  expect_error("the global tokens' offsets must be 3 numbers from 0 to 1");
  pattern.global_tokens = globals({0, 2, 1}, {0});
  expect_error("the global tokens' offsets must not fall");
  pattern.global_tokens = globals({0, 1, 2}, {0, 6});
  expect_error("global token 6 of sequence 1 is outside 6 tokens");
  pattern.global_tokens = globals({0, 2, 2}, {3, 3});
  expect_error("global tokens of sequence 0 must ascend");
}

TEST_F(AttentionErrors, RelativeTerm) {
  RelativeTerm term{zeros({2, 4}), zeros({2, 4}), zeros({3, 2, 4}), 1};
  EXPECT_ERROR_TEXT(window_attention(qkv, pattern, &term),
                    "window_attention: r has 3 rows with distance 0 in row 1; distances -1 to 2 are needed");
  term.r = zeros({4, 2, 4});
  term.zero_row = 0;
  EXPECT_ERROR_TEXT(window_attention(qkv, pattern, &term),
                    "distance 0 in row 0; distances -1 to 2 are needed");
  term.r = zeros({4, 2, 5});
  EXPECT_ERROR_TEXT(window_attention(qkv, pattern, &term),
                    "window_attention: r is (4, 2, 5) f32, needed (distances, 2, 4) f32");
  term = {zeros({2, 4}), zeros({2, 5}), zeros({4, 2, 4}), 1};
  EXPECT_ERROR_TEXT(window_attention(qkv, pattern, &term),
                    "window_attention: u and v are (2, 4) and (2, 5), needed (2, 4)");
}

TEST_F(AttentionErrors, GlobalAttention) {
  const Var whole(zeros({2, 6, 2, 4}));
  EXPECT_ERROR_TEXT(global_attention(whole, zeros({1, 2, 4}), whole, whole, pattern),
                    "global_attention: the pattern has no global tokens");
  pattern.global_tokens = globals({0, 1, 2}, {0, 5});
  EXPECT_ERROR_TEXT(
      global_attention(whole, zeros({1, 2, 4}), whole, whole, pattern),
      "global_attention: q, k, v are (1, 2, 4), (2, 6, 2, 4), (2, 6, 2, 4); needed (2, 2, 4) and twice "
      "(2, 6, 2, 4)");
}

}  // namespace
}  // namespace lf
