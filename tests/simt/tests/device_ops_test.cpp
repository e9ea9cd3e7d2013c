// Every row of the table of operations on the device, through the kernels' own source, against the CPU in
// f64, and rows that only the device needs: what takes several blocks, passes or pieces there. Twice with the
// same bits, though warps run in another order. Attention has tests of its own: its rows are left out here.
#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "core/kernels/kernels.h"
#include "tests/autograd/op_cases.h"
#include "tests/core/kernels/attention/attention_cases.h"
#include "tests/simt/schedule.h"
#include "tests/testing.h"

namespace lf {
namespace {

// Every row but those of attention.
std::vector<OpCase> device_rows() {
  std::vector<OpCase> rows = op_cases();
  for (const OpCase& attention : attention_cases()) {
    std::erase_if(rows, [&](const OpCase& row) { return row.name == attention.name; });
  }
  return rows;
}

Tensor many(const Shape& shape, int64_t least, int64_t limit) {
  std::vector<int32_t> values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] =
        static_cast<int32_t>(least + static_cast<int64_t>(i * 2654435761u % 1000003u) % (limit - least));
  }
  return Tensor::from(shape, values);
}

// Ids of which about half are `common` and every seventh lies close to `limit`.
Tensor skewed(int64_t count, int32_t common, int32_t limit) {
  std::vector<int32_t> values(static_cast<size_t>(count), common);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto mixed = static_cast<int32_t>(i * 40503u % 65537u);
    if (mixed % 2 == 0) values[i] = mixed % 7 == 0 ? limit - 1 - mixed % 5 : mixed % limit;
  }
  return Tensor::from({count}, values);
}

using In = const std::vector<Var>&;
constexpr InputKind kActivation = InputKind::activation, kParameter = InputKind::parameter;

std::vector<OpCase> long_rows() {
  const auto look_up = [](const char* name, int64_t count, int32_t V, int64_t D, int64_t padding) {
    return OpCase{name, {{{V, D}, kParameter}}, [ids = skewed(count, 3, V), padding](In x, DType dtype) {
                    return embedding(x[0], ids, 0.7, dtype, padding);
                  }};
  };
  return {
      {"softmax_of_a_block", {{{3, 2053}, kActivation, 3.0}}, [](In x, DType) { return softmax(x[0]); }},
      {"softmax_of_whole_vectors",
       {{{5, 1032}, kActivation, 3.0}},
       [](In x, DType) { return softmax(x[0]); }},
      {"cross_entropy_of_a_block",
       {{{5, 2053}, kActivation, 3.0}},
       [ids = Tensor::from({5}, std::vector<int32_t>{0, 2052, -1, 1024, 77})](In x, DType) {
         return cross_entropy(x[0], ids);
       }},
      look_up("embedding_in_two_passes", 5000, 300, 5, -1),
      look_up("embedding_of_one_pass_and_a_row", 300, 256, 2, -1),
      look_up("embedding_in_three_passes", 700, 70000, 1, 69999),
      look_up("embedding_in_long_stretches", 33000, 53, 2, 5),
      look_up("embedding_that_never_trains_the_common_id", 5000, 40, 33, 3),
      look_up("embedding_of_wide_rows", 70, 9, 300, -1),
      {"select_rows_of_whole_vectors",
       {{{40, 16}}},
       [rows = skewed(333, 3, 40)](In x, DType) { return select_rows(x[0], rows); }},
      {"gather_columns_of_several_tiles",
       {{{4, 1100}}},
       [index = many({2, 1300}, -1, 1100)](In x, DType) { return gather_columns(x[0], index, -1.0); }},
      {"diagonal_products_of_many_groups",
       {{{300, 2, 5}}, {{300, 2, 5}}},
       [](In x, DType) {
         std::vector<int64_t> offsets(300);
         for (size_t g = 0; g < 300; ++g) offsets[g] = static_cast<int64_t>(g % 11) - 5;
         return diagonal_products(x[0], x[1], {offsets});
       }},
      {"swap_axes_of_eight", {{{2, 3, 5, 8}}}, [](In x, DType) { return swap_axes(x[0], 1); }},
      {"swap_axes_of_four", {{{2, 3, 5, 4}}}, [](In x, DType) { return swap_axes(x[0], 1); }},
      {"swap_axes_of_several_tiles", {{{2, 67, 35}}}, [](In x, DType) { return swap_axes(x[0], 1); }},
      {"layer_norm_of_whole_vectors",
       {{{70, 64}, kActivation, 2.0}, {{64}, kParameter}, {{64}, kParameter}},
       [](In x, DType) { return layer_norm(x[0], x[1], x[2], 1e-5); }},
  };
}

OpResult run_on_device(const OpCase& row, DType dtype, uint64_t seed) {
  seed_schedule(seed);
  return run_forward_and_backward(row, dtype, Device::cuda);
}

void expect_same(const OpResult& a, const OpResult& b) {
  EXPECT_SAME_BITS(a.output, b.output);
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    SCOPED_TRACE(text("gradient of input ", i));
    EXPECT_SAME_BITS(a.gradients[i], b.gradients[i]);
  }
}

class DeviceOps : public ::testing::TestWithParam<OpCase> {};

TEST_P(DeviceOps, EqualTheCpuInDoubleAndThemselves) {
  const OpResult expected = run_forward_and_backward(GetParam(), DType::f64);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    SCOPED_TRACE(name(dtype));
    const OpResult received = run_on_device(GetParam(), dtype, 1);
    const double tolerance = tolerance_of(dtype);
    EXPECT_CLOSE(received.output, expected.output, tolerance);
    for (size_t i = 0; i < expected.gradients.size(); ++i) {
      SCOPED_TRACE(text("gradient of input ", i));
      if (GetParam().inputs[i].without_gradient) continue;  // nothing but rounding noise to compare
      EXPECT_CLOSE(received.gradients[i], expected.gradients[i], tolerance);
    }
    expect_same(received, run_on_device(GetParam(), dtype, 2));
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, DeviceOps, ::testing::ValuesIn(device_rows()),
                         [](const auto& row) { return row.param.name; });
INSTANTIATE_TEST_SUITE_P(Long, DeviceOps, ::testing::ValuesIn(long_rows()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lf
