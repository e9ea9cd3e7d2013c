// Window and global attention together against transformers' LongformerSelfAttention
// (tests/golden/README.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/kernels/attention/global.h"
#include "core/kernels/attention/window.h"
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

void expect_near(const SafetensorsFile& file, const std::string& name, const std::vector<float>& actual) {
  const std::vector<float> expected = read_floats(file, name);
  ASSERT_EQ(actual.size(), expected.size()) << name;
  float largest = 0;
  for (const float value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 1e-5 * largest + 1e-6) << name << " " << i;
  }
}

class AttentionGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(AttentionGolden, equalsTransformers) {
  const SafetensorsFile file(source_path("tests/golden/" + GetParam() + ".safetensors"));
  const auto lengths = read_integers(file, "lengths");
  const int64_t B = static_cast<int64_t>(lengths.size()), T = 32, H = 2, K = 8;
  WindowAttentionShape shape;
  shape.B = B, shape.T = T, shape.H = H, shape.K = K, shape.left = 4, shape.right = 4;
  shape.scale = 1 / std::sqrt(double(K));
  std::vector<uint8_t> mask;
  for (int64_t n = 0; n < B * T; ++n) mask.push_back(n % T < lengths[n / T]);
  shape.key_mask = mask.data();
  const bool has_globals = file.contains("global_positions");
  std::vector<int64_t> offsets{0}, positions;
  if (has_globals) {
    positions = read_integers(file, "global_positions");
    for (const int64_t count : read_integers(file, "global_counts"))
      offsets.push_back(offsets.back() + count);
    shape.global_offsets = offsets.data();
    shape.global_positions = positions.data();
  }
  const auto q = read_floats(file, "q"), k = read_floats(file, "k"), v = read_floats(file, "v");
  const auto cotangent = read_floats(file, "cotangent");
  const auto view = [&](const std::vector<float>& data) { return contiguous_view(data.data(), T, H, K); };
  const auto writable = [&](std::vector<float>& data) { return contiguous_view(data.data(), T, H, K); };
  std::vector<float> context(q.size()), dq(q.size()), dk(q.size()), dv(q.size()), lse(B * H * T);
  const std::vector<float>& context_read = context;
  window_attention_forward<float>(shape, view(q), view(k), view(v), nullptr, writable(context), lse.data());
  if (has_globals) {
    const auto all_q_global = read_floats(file, "q_global"), k_global = read_floats(file, "k_global");
    const auto v_global = read_floats(file, "v_global");
    std::vector<float> q_global, dq_global(positions.size() * H * K), lse_global(positions.size() * H);
    std::vector<int64_t> rows;
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t n = offsets[b]; n < offsets[b + 1]; ++n) rows.push_back(b * T + positions[n]);
    }
    for (const int64_t row : rows) {
      q_global.insert(q_global.end(), all_q_global.begin() + row * H * K,
                      all_q_global.begin() + (row + 1) * H * K);
    }
    global_attention_forward<float>(shape, q_global.data(), view(k_global), view(v_global), writable(context),
                                    lse_global.data());
    std::vector<float> dk_global(q.size()), dv_global(q.size()), all_dq_global(q.size());
    global_attention_backward<float>(shape, q_global.data(), view(k_global), view(v_global),
                                     view(context_read), lse_global.data(), view(cotangent), dq_global.data(),
                                     writable(dk_global), writable(dv_global));
    for (size_t n = 0; n < rows.size(); ++n) {
      std::copy_n(dq_global.begin() + n * H * K, H * K, all_dq_global.begin() + rows[n] * H * K);
    }
    expect_near(file, "grad.q_global", all_dq_global);
    expect_near(file, "grad.k_global", dk_global);
    expect_near(file, "grad.v_global", dv_global);
  }
  expect_near(file, "context", context);
  window_attention_backward<float>(shape, view(q), view(k), view(v), nullptr, view(context_read), lse.data(),
                                   view(cotangent), writable(dq), writable(dk), writable(dv), nullptr);
  expect_near(file, "grad.q", dq);
  expect_near(file, "grad.k", dk);
  expect_near(file, "grad.v", dv);
}

INSTANTIATE_TEST_SUITE_P(Files, AttentionGolden, ::testing::Values("attention_window", "attention_global"));

}  // namespace
}  // namespace lf
