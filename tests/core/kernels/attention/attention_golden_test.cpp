// Window and global attention together against transformers' LongformerSelfAttention
// (tests/golden/README.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/weights/safetensors.h"
#include "tests/places.h"

namespace lf {
namespace {

std::vector<float> read_floats(const SafetensorsFile& file, const std::string& name) {
  const Tensor tensor = file.read(name);
  return {tensor.data<float>(), tensor.data<float>() + tensor.elements()};
}

std::vector<int64_t> read_integers(const SafetensorsFile& file, const std::string& name) {
  const Tensor tensor = file.read(name);
  return {tensor.data<int64_t>(), tensor.data<int64_t>() + tensor.elements()};
}

void expect_near(const SafetensorsFile& file, const std::string& name, const Tensor& actual) {
  const std::vector<float> expected = read_floats(file, name);
  ASSERT_EQ(actual.elements(), std::ssize(expected)) << name;
  float largest = 0;
  for (const float value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual.data<float>()[i], expected[i], 1e-5 * largest + 1e-6) << name << " " << i;
  }
}

// Replaces the global rows of context, and checks the gradients of what they are computed from.
void check_global(const SafetensorsFile& file, const kernels::AttentionCall& call, const Tensor& cotangent,
                  Tensor& context) {
  const int64_t M = call.global_tokens(), H = context.dim(1), K = context.dim(2);
  const auto read = [&](const std::string& name) { return file.read(name).view(context.shape()); };
  const Tensor all_q = read("q_global"), k = read("k_global"), v = read("v_global");
  std::vector<int64_t> rows;
  for (int64_t b = 0; b < call.sequences(); ++b) {
    for (int64_t n = call.globals->offsets[b]; n < call.globals->offsets[b + 1]; ++n)
      rows.push_back(call.begin(b) + call.globals->positions[n]);
  }
  Tensor q = Tensor::empty({M, H, K}, DType::f32), lse = Tensor::empty({M, H}, DType::f32);
  for (int64_t n = 0; n < M; ++n) q.slice(n, n + 1).copy_from(all_q.slice(rows[n], rows[n] + 1));
  const kernels::DenseCall dense = kernels::global_queries(call);
  Tensor context_rows = Tensor::like(q), drows = Tensor::like(q);
  kernels::dense_attention(dense, q, k, v, context_rows, lse);
  kernels::put_global_rows(call, context_rows, context);
  Tensor dq = Tensor::like(q), dk = Tensor::like(k), dv = Tensor::like(v), all_dq = Tensor::zeros_like(k);
  kernels::take_global_rows(call, cotangent, drows);
  kernels::dense_attention_backward(dense, q, k, v, context_rows, lse, drows, dq, dk, dv);
  for (int64_t n = 0; n < M; ++n) all_dq.slice(rows[n], rows[n] + 1).copy_from(dq.slice(n, n + 1));
  expect_near(file, "grad.q_global", all_dq);
  expect_near(file, "grad.k_global", dk);
  expect_near(file, "grad.v_global", dv);
}

class AttentionGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(AttentionGolden, equalsTransformers) {
  const SafetensorsFile file(source_path("tests/golden/" + GetParam() + ".safetensors"));
  const auto lengths = read_integers(file, "lengths");
  const int64_t B = static_cast<int64_t>(lengths.size()), T = 32, H = 2, K = 8;
  const Shape all{B * T, H, K};
  kernels::AttentionCall call{.offsets = kernels::equal_offsets(B, T), .left = 4, .right = 4};
  call.scale = 1 / std::sqrt(double(K));
  std::vector<uint8_t> mask;
  for (int64_t n = 0; n < B * T; ++n) mask.push_back(n % T < lengths[n / T]);
  call.mask = Tensor::from({B * T}, mask);
  const auto read = [&](const std::string& name) { return file.read(name).view(all); };
  const Tensor cotangent = read("cotangent");
  const kernels::TokenTensors qkv{.q = read("q"), .k = read("k"), .v = read("v")};
  Tensor context = Tensor::empty(all, DType::f32), lse = Tensor::empty({H, B * T}, DType::f32);
  kernels::TokenTensors dqkv{.q = Tensor::like(qkv.q), .k = Tensor::like(qkv.q), .v = Tensor::like(qkv.q)};
  if (file.contains("global_positions")) {
    GlobalTokens globals{{0}, read_integers(file, "global_positions")};
    for (const int64_t count : read_integers(file, "global_counts"))
      globals.offsets.push_back(globals.offsets.back() + count);
    call.globals = std::make_shared<GlobalTokens>(std::move(globals));
  }
  kernels::window_attention(call, qkv, {}, context, lse);
  if (call.globals) check_global(file, call, cotangent, context);
  expect_near(file, "context", context);
  kernels::window_attention_backward(call, qkv, {}, context, lse, cotangent, dqkv, {});
  expect_near(file, "grad.q", dqkv.q);
  expect_near(file, "grad.k", dqkv.k);
  expect_near(file, "grad.v", dqkv.v);
}

INSTANTIATE_TEST_SUITE_P(Files, AttentionGolden, ::testing::Values("attention_window", "attention_global"));

}  // namespace
}  // namespace lf
