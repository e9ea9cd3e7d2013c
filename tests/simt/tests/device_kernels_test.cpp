// Kernels on the device where the table of operations does not reach: addresses that vectors do not fit,
// results in place of inputs, nothing at all, wrong indices, and how products are asked for.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "autograd/ops.h"
#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "tests/simt/tests/device_tensors.h"

#ifdef LF_SIMULATED_CUDA
#include "tests/simt/cublaslt.h"
#endif

namespace lf {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Runs f on inputs that vectors fit and on inputs that they do not; the bits agree.
template <class F>
void expect_any_address(const Shape& shape, F&& f) {
  for (const DType dtype : kFloats) {
    SCOPED_TRACE(name(dtype));
    const Tensor x = random_tensor(shape, dtype, 1, 2.0), z = random_tensor(shape, dtype, 2);
    Tensor expected = straight(Tensor::full(shape, dtype, 77)),
           received = shifted(Tensor::full(shape, dtype, 77));
    f(straight(x), straight(z), expected);
    f(shifted(x), shifted(z), received);
    EXPECT_SAME_BITS(received.to(Device::cpu), expected.to(Device::cpu));
  }
}

TEST(DeviceAddresses, DoNotMatterToActivations) {
  const Dropout drop{0.3, {.seed = 7, .use = 5, .step = 3}};
  expect_any_address({5, 67},
                     [&](const Tensor& x, const Tensor&, Tensor& y) { kernels::dropout(x, drop, y); });
  expect_any_address(
      {5, 67}, [&](const Tensor& x, const Tensor& z, Tensor& y) { kernels::add_dropout(z, x, drop, y); });
  expect_any_address({5, 67},
                     [&](const Tensor& x, const Tensor&, Tensor& y) { kernels::gelu_dropout(x, drop, y); });
  expect_any_address({5, 67}, [&](const Tensor& x, const Tensor& dy, Tensor& dx) {
    kernels::gelu_dropout_backward(x, drop, dy, dx);
  });
}

TEST(DeviceAddresses, DoNotMatterToMoves) {
  expect_any_address(
      {6, 4, 8}, [&](const Tensor& x, const Tensor&, Tensor& y) { kernels::swap_axes(x, 2, 3, 4, 8, y); });
  const Tensor rows = straight(Tensor::from({5}, std::vector<int32_t>{4, 0, 2, 0, 3}));
  expect_any_address({5, 40},
                     [&](const Tensor& x, const Tensor&, Tensor& y) { kernels::select_rows(x, rows, y); });
}

// Rows whose vectors begin elsewhere are added in another order: close, not equal.
TEST(DeviceAddresses, RowsAreReadWhereverTheyBegin) {
  for (const DType dtype : kFloats) {
    for (const int64_t columns : {1, 3, 20, 67, 1200}) {
      const Tensor x = random_tensor({5, columns}, dtype, 1, 2.0), dy = random_tensor({5, columns}, dtype, 2);
      Tensor y = Tensor::like(x), dx = Tensor::like(x), device_y = shifted(y), device_dx = shifted(dx);
      kernels::softmax(x, y);
      kernels::softmax(shifted(x), device_y);
      EXPECT_CLOSE(device_y, y, tolerance_of(dtype));
      kernels::softmax_backward(y, dy, dx);
      kernels::softmax_backward(shifted(y), straight(dy), device_dx);
      EXPECT_CLOSE(device_dx, dx, tolerance_of(dtype));
    }
  }
}

TEST(DeviceLayerNorm, KeepsDigitsFarFromZero) {
  Tensor x = random_tensor({3, 50}, DType::f32, 1);
  for (int64_t i = 0; i < x.elements(); ++i) x.data<float>()[i] += 4096;
  const Tensor gamma = Tensor::full({50}, DType::f32, 1), beta = Tensor::zeros({50}, DType::f32);
  Tensor y = Tensor::like(x), mean = Tensor::empty({3}, DType::f32), rstd = Tensor::like(mean);
  kernels::layer_norm(x, gamma, beta, 1e-5, y, mean, rstd);
  Tensor device_y = straight(y), device_mean = straight(mean), device_rstd = straight(rstd);
  kernels::layer_norm(straight(x), straight(gamma), straight(beta), 1e-5, device_y, device_mean, device_rstd);
  EXPECT_CLOSE(device_mean, mean, 1e-6);
  EXPECT_CLOSE(device_rstd, rstd, 1e-3);
  EXPECT_CLOSE(device_y, y, 1e-3);
}

TEST(DeviceCrossEntropy, WritesItsGradientInPlace) {
  for (const int64_t V : {67, 1200}) {
    const Tensor logits = random_tensor({3, V}, DType::bf16, 1, 2.0);
    const Tensor targets = straight(Tensor::from({3}, std::vector<int32_t>{0, -1, 66}));
    Tensor losses = Tensor::empty({3}, DType::f32, Device::cuda), lse = Tensor::like(losses);
    Tensor in_place = straight(logits), elsewhere = Tensor::like(in_place);
    kernels::cross_entropy(in_place, targets, 0, losses, lse);
    const Tensor up = straight(Tensor::full({3}, DType::f32, 0.25));
    kernels::cross_entropy_backward(in_place, targets, 0, lse, up, elsewhere);
    kernels::cross_entropy_backward(in_place, targets, 0, lse, up, in_place);
    EXPECT_SAME_BITS(in_place.to(Device::cpu), elsewhere.to(Device::cpu));
  }
}

TEST(DeviceColumnSums, CutManyRowsIntoPieces) {
  for (const int64_t rows : {1, 64, 65, 16384, 16385, 20000}) {
    const Tensor dy = random_tensor({rows, 3}, DType::bf16, 1);
    Tensor sums = Tensor::empty({3}, DType::f32), device_sums = straight(sums);
    kernels::column_sums(dy, sums);
    kernels::column_sums(straight(dy), device_sums);
    EXPECT_CLOSE(device_sums, sums, 1e-4) << rows;
  }
}

TEST(DeviceIndices, ThatAreWrongAreErrorsOnTheWayAndNanOnTheDevice) {
  const Var table = straight(random_tensor({4, 3}, DType::f32, 1));
  for (const int32_t wrong : {-1, 4}) {
    const Tensor ids = Tensor::from({3}, std::vector<int32_t>{0, wrong, 3});
    EXPECT_ERROR_TEXT(embedding(table, ids, 1.0, DType::f32), "embedding: index " + std::to_string(wrong));
    EXPECT_ERROR_TEXT(select_rows(table, ids), "select_rows: index");
    const std::vector<double> rows = select_rows(table, straight(ids)).value().to_doubles();
    for (size_t i = 0; i < 9; ++i) EXPECT_EQ(std::isnan(rows[i]), i / 3 == 1) << i;
    Tensor gradient = Tensor::empty({4, 3}, DType::f32, Device::cuda);
    kernels::select_rows_backward(straight(ids), straight(Tensor::full({3, 3}, DType::f32, 2)), gradient);
    const std::vector<double> sums = gradient.to_doubles();
    for (size_t i = 0; i < 12; ++i) EXPECT_EQ(sums[i], i / 3 == 0 || i / 3 == 3 ? 2 : 0) << i;
  }
  EXPECT_ERROR_TEXT(cross_entropy(table, Tensor::from({4}, std::vector<int32_t>{0, 1, -2, 0})), "index -2");
  const Tensor targets = straight(Tensor::from({4}, std::vector<int32_t>{0, 3, -2, -1}));
  const std::vector<double> losses = cross_entropy(table, targets).value().to_doubles();
  EXPECT_TRUE(std::isfinite(losses[0]) && std::isnan(losses[1]) && std::isnan(losses[2]) && losses[3] == 0);
  const Tensor columns = Tensor::from({1, 2}, std::vector<int32_t>{3, 1});
  EXPECT_ERROR_TEXT(gather_columns(table, columns), "gather_columns: index 3");
  EXPECT_TRUE(std::isnan(gather_columns(table, straight(columns)).value().to_doubles()[0]));
}

TEST(DeviceOps, TakeNothing) {
  const Tensor none = Tensor::empty({0, 4}, DType::f32, Device::cuda);
  const Tensor no_ids = Tensor::empty({0}, DType::i32, Device::cuda);
  const Tensor weight = straight(random_tensor({3, 4}, DType::f32, 1)),
               bias = straight(random_tensor({3}, DType::f32, 2));
  EXPECT_EQ(linear(none, weight, bias).shape(), (Shape{0, 3}));
  EXPECT_EQ(softmax(none).shape(), (Shape{0, 4}));
  EXPECT_EQ(cross_entropy(none, no_ids).shape(), Shape{0});
  EXPECT_EQ(select_rows(weight, no_ids).shape(), (Shape{0, 4}));
  Tensor gradient = Tensor::full({3, 4}, DType::f32, kNaN, Device::cuda);
  kernels::select_rows_backward(no_ids, none, gradient);
  EXPECT_EQ(gradient.to_doubles(), std::vector<double>(12, 0.0));
  gradient = Tensor::full({3, 4}, DType::f32, kNaN, Device::cuda);
  Tensor bias_gradient = Tensor::full({3}, DType::f32, kNaN, Device::cuda);
  kernels::linear_backward_weight(none, Tensor::empty({0, 3}, DType::f32, Device::cuda), gradient,
                                  bias_gradient);
  EXPECT_EQ(bias_gradient.to_doubles(), std::vector<double>(3, 0.0));
  EXPECT_EQ(gradient.to_doubles(), std::vector<double>(12, 0.0));
  Tensor sums = Tensor::full({4}, DType::f32, kNaN, Device::cuda);
  kernels::column_sums(none, sums);
  EXPECT_EQ(sums.to_doubles(), std::vector<double>(4, 0.0));
  const Tensor empty = Tensor::empty({2, 0}, DType::f32, Device::cuda),
               no_inputs = Tensor::empty({3, 0}, DType::f32, Device::cuda);
  const std::vector<double> only_bias = linear(empty, no_inputs, bias).value().to_doubles();
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(only_bias[i], bias.to_doubles()[i % 3]);
}

#ifdef LF_SIMULATED_CUDA  // the stand-in for cuBLASLt counts its calls and refuses on request

class FusedBias : public ::testing::Test {
 protected:
  ~FusedBias() override { simt::refuse_fused_bias(false); }

  static Tensor product(DType dtype, int64_t outputs) {
    const DType parameter = dtype == DType::f64 ? DType::f64 : DType::f32;
    const Tensor x = random_tensor({6, 10}, dtype, 1), weight = random_tensor({outputs, 10}, dtype, 2);
    const Tensor bias = random_tensor({outputs}, parameter, 3);
    return linear(straight(x), straight(weight), straight(bias)).value().to(Device::cpu);
  }
};

TEST_F(FusedBias, IsAddedByItselfWhereTheLibraryRefuses) {
  for (const DType dtype : kFloats) {
    const simt::BlasUse before = simt::blas_use();
    const Tensor expected = product(dtype, 7);
    const int64_t fused = dtype == DType::f64 ? 0 : 1;
    EXPECT_EQ(simt::blas_use().fused - before.fused, fused);
    simt::refuse_fused_bias(true);
    // Another shape, since what was chosen for the first is kept.
    const Tensor separate = product(dtype, 8);
    simt::refuse_fused_bias(false);
    EXPECT_EQ(simt::blas_use().fused - before.fused, fused);
    const Tensor x = random_tensor({6, 10}, dtype, 1), weight = random_tensor({8, 10}, dtype, 2);
    const Tensor bias = random_tensor({8}, dtype == DType::f64 ? DType::f64 : DType::f32, 3);
    EXPECT_CLOSE(separate, linear(x, weight, bias).value(), tolerance_of(dtype));
  }
}

// One product makes a parameter's gradient and its bias's; refused, they are made one after the other.
TEST_F(FusedBias, IsSummedByItselfWhereTheLibraryRefuses) {
  for (const DType dtype : kFloats) {
    const DType parameter = dtype == DType::f64 ? DType::f64 : DType::f32;
    for (const bool refuse : {false, true}) {
      const int64_t inputs = refuse ? 6 : 5;  // what was chosen for a shape is kept
      const Tensor x = random_tensor({9, inputs}, dtype, 1), dy = random_tensor({9, 7}, dtype, 2);
      const auto gradients = [&](const auto& place) {
        Tensor dweight = place(Tensor::full({7, inputs}, parameter, kNaN)),
               dbias = place(Tensor::full({7}, parameter, kNaN));
        kernels::linear_backward_weight(place(x), place(dy), dweight, dbias);
        return std::pair(dweight.to(Device::cpu), dbias.to(Device::cpu));
      };
      simt::refuse_fused_bias(refuse);
      const int64_t before = simt::blas_use().fused;
      const auto [dweight, dbias] = gradients(straight);
      EXPECT_EQ(simt::blas_use().fused - before, dtype == DType::f64 || refuse ? 0 : 1);
      const auto [expected, expected_bias] = gradients([](const Tensor& t) { return t; });
      EXPECT_CLOSE(dweight, expected, tolerance_of(parameter));
      EXPECT_CLOSE(dbias, expected_bias, tolerance_of(parameter));
    }
  }
}

TEST_F(FusedBias, ChoosesOnceForAShape) {
  const Tensor first = product(DType::bf16, 11);
  const simt::BlasUse before = simt::blas_use();
  EXPECT_SAME_BITS(product(DType::bf16, 11), first);
  EXPECT_EQ(simt::blas_use().choices, before.choices);
  EXPECT_EQ(simt::blas_use().products, before.products + 1);
}

#endif

TEST(DeviceProducts, ThatDoNotExistAreErrors) {
  const Tensor x = straight(random_tensor({3, 4}, DType::f32, 1));
  Tensor y = Tensor::empty({3, 3}, DType::bf16, Device::cuda);
  EXPECT_ERROR_TEXT(kernels::linear(x, x, {}, y), "cuBLASLt has no product of 3 x 4 and 4 x 3 in f32");
  EXPECT_ERROR_TEXT(kernels::linear(x, cast(x, DType::bf16), {}, y), "product of f32 and bf16");
}

TEST(DeviceProducts, OfAnyAddressAndIntoSingle) {
  const Tensor x = random_tensor({9, 6}, DType::bf16, 1), dy = random_tensor({9, 5}, DType::bf16, 2);
  Tensor narrow = Tensor::empty({5, 6}, DType::bf16, Device::cuda),
         wide = Tensor::empty({5, 6}, DType::f32, Device::cuda), no_bias;
  kernels::linear_backward_weight(shifted(x), shifted(dy), narrow, no_bias);
  kernels::linear_backward_weight(straight(x), straight(dy), wide, no_bias);
  EXPECT_SAME_BITS(cast(wide, DType::bf16).to(Device::cpu), narrow.to(Device::cpu));
  Tensor elsewhere = shifted(narrow);
  elsewhere.fill_zero();
  kernels::linear_backward_weight(straight(x), straight(dy), elsewhere, no_bias);
  EXPECT_SAME_BITS(elsewhere.to(Device::cpu), narrow.to(Device::cpu));
}

}  // namespace
}  // namespace lf
