// A number that is not finite shows in attention's results, on either device: a run must stop, not go on with
// rows of zeros.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
#include "core/kernels/convert.h"
#include "tests/testing.h"

namespace lf::attention_nan_tests {
namespace {

constexpr int64_t B = 1, T = 70, H = 1, K = 32;

std::vector<Device> devices() {
  return kHasCuda ? std::vector{Device::cpu, Device::cuda} : std::vector{Device::cpu};
}

// The rows of context (T of them) that hold a NaN, after `place` has been made one in qkv (B, T, 3, H, K).
struct Result {
  std::vector<bool> rows;
  bool gradient;
};
Result attend(DType dtype, Device device, int64_t token, int64_t part, bool with_globals) {
  const Tensor values = random_tensor({B, T, 3, H, K}, DType::f32, 1);
  for (int64_t k = 0; k < K; ++k) values.data<float>()[(token * 3 + part) * H * K + k] = std::nanf("");
  const Tensor q_global = random_tensor({1, H, K}, dtype, 2).to(device),
               k_global = random_tensor({B, T, H, K}, dtype, 3).to(device);
  auto globals = std::make_shared<GlobalTokens>();
  globals->offsets = {0, 1}, globals->positions = {40};
  const AttentionPattern pattern{.left = 5, .right = 5, .global_tokens = with_globals ? globals : nullptr};
  const Var qkv = Var::leaf(cast(values, dtype).to(device));
  Var context = window_attention(qkv, pattern);
  if (with_globals) context = global_attention(context, q_global, k_global, k_global, pattern);
  Result result{std::vector<bool>(T), false};
  const std::vector<double> received = context.value().to_doubles();
  for (size_t i = 0; i < received.size(); ++i)
    if (std::isnan(received[i])) result.rows[i / (H * K)] = true;
  tape().backward(context, Tensor::full(context.shape(), dtype, 1.0, device));
  for (const double value : qkv.gradient()->sum.to_doubles())
    result.gradient = result.gradient || std::isnan(value);
  return result;
}

std::vector<bool> only(int64_t first, int64_t last) {
  std::vector<bool> rows(T);
  for (int64_t t = first; t <= last; ++t) rows[static_cast<size_t>(t)] = true;
  return rows;
}

TEST(AttentionOfNaN, ShowsInEveryRowThatSeesIt) {
  for (const Device device : devices()) {
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
      SCOPED_TRACE(text(name(device), ' ', name(dtype)));
      for (const int64_t part : {0, 1, 2}) {  // q, k, v
        const Result result = attend(dtype, device, 20, part, false);
        if (part < 2) {
          EXPECT_EQ(result.rows, part == 0 ? only(20, 20) : only(15, 25)) << "part " << part;
        } else {  // a product of tiles carries it to rows whose probability for it is 0, too
          for (size_t t = 15; t <= 25; ++t) EXPECT_TRUE(result.rows[t]) << "row " << t;
        }
        EXPECT_TRUE(result.gradient) << "part " << part;
      }
    }
  }
}

// The global token's key is every row's; its own row comes from other projections.
TEST(AttentionOfNaN, InAGlobalKeyShowsEverywhere) {
  for (const Device device : devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(text(name(device), ' ', name(dtype)));
      std::vector<bool> expected = only(0, T - 1);
      expected[40] = false;
      EXPECT_EQ(attend(dtype, device, 40, 1, true).rows, expected);
    }
  }
}

TEST(AttentionOfNaN, InAGlobalQueryShowsInItsRow) {
  for (const Device device : devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(text(name(device), ' ', name(dtype)));
      auto globals = std::make_shared<GlobalTokens>();
      globals->offsets = {0, 1}, globals->positions = {40};
      const AttentionPattern pattern{.left = 5, .right = 5, .global_tokens = globals};
      const Var context(Tensor::zeros({B, T, H, K}, dtype, device));
      const Tensor q = cast(Tensor::full({1, H, K}, DType::f32, std::nan("")), dtype).to(device),
                   k = random_tensor({B, T, H, K}, dtype, 3).to(device);
      const std::vector<double> received = global_attention(context, q, k, k, pattern).value().to_doubles();
      for (size_t i = 0; i < received.size(); ++i)
        ASSERT_EQ(std::isnan(received[i]), i / (H * K) == 40) << "element " << i;
    }
  }
}

}  // namespace
}  // namespace lf::attention_nan_tests
