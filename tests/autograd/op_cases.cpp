#include "tests/autograd/op_cases.h"

#include <limits>

#include "autograd/ops.h"
#include "tests/core/kernels/attention/attention_cases.h"
#include "tests/testing.h"

namespace lf {
namespace {

using In = const std::vector<Var>&;
constexpr InputKind kParameter = InputKind::parameter;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

Dropout drop(double probability, uint32_t use = 5) {
  return {probability, {.seed = 7, .use = use, .step = 3}};
}

Tensor indices(const Shape& shape, const std::vector<int32_t>& values) { return Tensor::from(shape, values); }

// Repeating indices in [-1, limit) for large rows.
Tensor many_indices(const Shape& shape, int64_t limit) {
  std::vector<int32_t> values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<int32_t>(static_cast<int64_t>(i * 2654435761u % 1000003u) % (limit + 1)) - 1;
  }
  return Tensor::from(shape, values);
}

std::vector<OpCase> elementwise_cases() {
  return {
      {"add", {{{3, 5}}, {{3, 5}}}, [](In x, DType) { return add(x[0], x[1]); }},
      {"add_scalar_shape", {{{}}, {{}}}, [](In x, DType) { return add(x[0], x[1]); }},
      {"add_large", {{{257, 301}}, {{257, 301}}}, [](In x, DType) { return add(x[0], x[1]); }, true},
      {"scale", {{{2, 7}}}, [](In x, DType) { return scale(x[0], -1.7); }},
      {"scale_large", {{{257, 301}}}, [](In x, DType) { return scale(x[0], -1.7); }, true},
      {"multiply", {{{3, 5}}, {{3, 5}}}, [](In x, DType) { return multiply(x[0], x[1]); }},
      {"multiply_by_itself", {{{7}}}, [](In x, DType) { return multiply(x[0], x[0]); }},
      {"multiply_large",
       {{{257, 301}}, {{257, 301}}},
       [](In x, DType) { return multiply(x[0], x[1]); },
       true},
      {"tanh", {{{4, 11}}}, [](In x, DType) { return tanh(x[0]); }},
      {"tanh_in_the_tails", {{{60}, InputKind::activation, 4.0}}, [](In x, DType) { return tanh(x[0]); }},
      {"tanh_large", {{{257, 301}}}, [](In x, DType) { return tanh(x[0]); }, true},
      {"sum", {{{4, 5}}}, [](In x, DType) { return sum(x[0]); }},
      {"sum_of_one", {{{1}}}, [](In x, DType) { return sum(x[0]); }},
      {"sum_large", {{{257, 301}}}, [](In x, DType) { return sum(add(x[0], x[0])); }, true},
      {"dropout_off", {{{3, 4}}}, [](In x, DType) { return dropout(x[0], drop(0)); }},
      {"dropout", {{{37}}}, [](In x, DType) { return dropout(x[0], drop(0.4)); }},
      {"dropout_of_many", {{{41, 103}}}, [](In x, DType) { return dropout(x[0], drop(0.1)); }, true},
      {"add_dropout_off", {{{5, 3}}, {{5, 3}}}, [](In x, DType) { return add_dropout(x[0], x[1], drop(0)); }},
      {"add_dropout", {{{5, 9}}, {{5, 9}}}, [](In x, DType) { return add_dropout(x[0], x[1], drop(0.3)); }},
      {"add_dropout_large",
       {{{129, 203}}, {{129, 203}}},
       [](In x, DType) { return add_dropout(x[0], x[1], drop(0.3)); },
       true},
      {"gelu", {{{4, 11}}}, [](In x, DType) { return gelu_dropout(x[0], drop(0)); }},
      {"gelu_of_one", {{{1}}}, [](In x, DType) { return gelu_dropout(x[0], drop(0)); }},
      {"gelu_in_the_tails",
       {{{60}, InputKind::activation, 4.0}},
       [](In x, DType) { return gelu_dropout(x[0], drop(0)); }},
      {"gelu_dropout", {{{4, 11}}}, [](In x, DType) { return gelu_dropout(x[0], drop(0.25)); }},
      {"gelu_dropout_large",
       {{{129, 203}, InputKind::activation, 2.0}},
       [](In x, DType) { return gelu_dropout(x[0], drop(0.1)); },
       true},
  };
}

std::vector<OpCase> linear_cases() {
  const auto product = [](const char* name, Shape a, bool transpose_a, Shape b, bool transpose_b,
                          bool large = false) {
    return OpCase{
        name, {{a}, {b}}, [=](In x, DType) { return matmul(x[0], transpose_a, x[1], transpose_b); }, large};
  };
  const auto with_bias = [](In x, DType) { return linear(x[0], x[1], x[2]); };
  return {
      {"linear", {{{6, 7}}, {{4, 7}}, {{4}, kParameter}}, with_bias},
      {"linear_without_bias", {{{5, 3}}, {{2, 3}}}, [](In x, DType) { return linear(x[0], x[1]); }},
      {"linear_of_three_axes", {{{2, 3, 5}}, {{7, 5}}, {{7}, kParameter}}, with_bias},
      {"linear_of_a_parameter", {{{6, 7}}, {{4, 7}, kParameter}, {{4}, kParameter}}, with_bias},
      {"linear_of_a_parameter_large",
       {{{301, 65}}, {{129, 65}, kParameter, 0.1}, {{129}, kParameter}},
       with_bias,
       true},
      {"linear_of_one", {{{1, 1}}, {{1, 1}}, {{1}, kParameter}}, with_bias},
      {"linear_of_a_vector", {{{9}}, {{3, 9}}, {{3}, kParameter}}, with_bias},
      {"linear_large", {{{301, 65}}, {{129, 65}, {}, 0.1}, {{129}, kParameter}}, with_bias, true},
      {"linear_long_and_thin", {{{4099, 17}}, {{3, 17}}, {{3}, kParameter}}, with_bias, true},
      {"add_bias", {{{2, 3, 5}}, {{5}, kParameter}}, [](In x, DType) { return add_bias(x[0], x[1]); }},
      {"add_bias_large",
       {{{999, 33}}, {{33}, kParameter}},
       [](In x, DType) { return add_bias(x[0], x[1]); },
       true},
      product("matmul", {2, 3, 4}, false, {2, 4, 5}, false),
      product("matmul_transpose_a", {2, 4, 3}, true, {2, 4, 5}, false),
      product("matmul_transpose_b", {2, 3, 4}, false, {2, 5, 4}, true),
      product("matmul_transpose_both", {2, 4, 3}, true, {2, 5, 4}, true),
      product("matmul_of_one", {1, 1, 1}, false, {1, 1, 1}, true),
      product("matmul_large", {3, 65, 70}, false, {3, 70, 33}, false, true),
      product("matmul_transposed_large", {3, 70, 65}, true, {3, 33, 70}, true, true),
  };
}

OpCase layer_norm_case(const char* name, Shape x, bool large = false) {
  const int64_t D = x[-1];
  const bool constant = D == 1;  // of one number nothing is left after subtracting the mean
  return {name,
          {{x, {}, 2.0, constant}, {{D}, kParameter, 1.0, constant}, {{D}, kParameter}},
          [](In in, DType) { return layer_norm(in[0], in[1], in[2], 1e-5); },
          large};
}

// The sum and its norm together, or one of them alone.
enum class Used { both, sum, norm };

OpCase sum_and_norm_case(const char* name, Shape x, double p, Used used = Used::both, bool large = false) {
  const int64_t D = x[-1];
  const bool constant = used == Used::sum;  // which the parameters are not part of
  return {name,
          {{x, {}, 2.0}, {x}, {{D}, kParameter, 1.0, constant}, {{D}, kParameter, 1.0, constant}},
          [=](In in, DType) {
            const auto [sum, norm] = add_dropout_layer_norm(in[0], in[1], drop(p), in[2], in[3], 1e-5);
            return used == Used::sum ? sum : used == Used::norm ? norm : add(scale(sum, 0.7), norm);
          },
          large};
}

std::vector<OpCase> row_cases() {
  const auto loss = [](const char* name, Shape logits, std::vector<int32_t> targets) {
    const Tensor ids = indices({static_cast<int64_t>(targets.size())}, targets);
    return OpCase{name, {{logits, {}, 2.0}}, [ids](In x, DType) { return cross_entropy(x[0], ids); }};
  };
  return {
      layer_norm_case("layer_norm", {3, 5, 8}),
      layer_norm_case("layer_norm_odd", {4, 17}),
      layer_norm_case("layer_norm_of_one", {3, 1}),
      layer_norm_case("layer_norm_of_one_row", {19}),
      layer_norm_case("layer_norm_large", {1001, 131}, true),
      sum_and_norm_case("add_dropout_layer_norm", {3, 5, 8}, 0.3),
      sum_and_norm_case("add_dropout_layer_norm_odd", {4, 17}, 0.3),
      sum_and_norm_case("add_dropout_layer_norm_off", {5, 11}, 0.0),
      sum_and_norm_case("add_dropout_layer_norm_used_as_norm", {5, 9}, 0.3, Used::norm),
      sum_and_norm_case("add_dropout_layer_norm_used_as_sum", {5, 9}, 0.3, Used::sum),
      sum_and_norm_case("add_dropout_layer_norm_large", {1001, 131}, 0.3, Used::both, true),
      {"softmax", {{{3, 7}, {}, 2.0}}, [](In x, DType) { return softmax(x[0]); }},
      {"softmax_of_three_axes", {{{2, 3, 19}}}, [](In x, DType) { return softmax(x[0]); }},
      {"softmax_of_hidden_columns",  // the last row hides all of them
       {{{3, 4}}},
       [](In x, DType) {
         return softmax(gather_columns(
             x[0], indices({3, 5}, {0, -1, 2, 3, 1, -1, -1, 0, 1, -1, -1, -1, -1, -1, -1}), kMinusInfinity));
       }},
      {"softmax_large", {{{203, 257}, {}, 3.0}}, [](In x, DType) { return softmax(x[0]); }, true},
      loss("cross_entropy", {5, 9}, {3, 0, 8, 3, 5}),
      loss("cross_entropy_ignores", {5, 9}, {3, -1, 8, -1, 0}),
      loss("cross_entropy_of_two", {1, 2}, {1}),
      {"cross_entropy_smoothed",
       {{{5, 9}, {}, 2.0}},
       [](In x, DType) {
         return cross_entropy(x[0], indices({5}, {3, -1, 8, 3, 0}), 0.2);
       }},
      {"cross_entropy_smoothed_large",
       {{{203, 1300}, {}, 2.0}},
       [](In x, DType) { return cross_entropy(x[0], many_indices({203}, 1300), 0.1); },
       true},
      {"cross_entropy_large",
       {{{203, 257}, {}, 3.0}},
       [](In x, DType) { return cross_entropy(x[0], many_indices({203}, 257)); },
       true},
      {"marked_cross_entropy",  // an empty group, columns without and with several marks
       {{{9, 2}, {}, 2.0}},
       [](In x, DType) {
         return marked_cross_entropy(x[0],
                                     indices({9, 2}, {0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1}),
                                     indices({5}, {0, 3, 3, 6, 9}));
       }},
      {"marked_cross_entropy_of_hidden_rows",
       {{{3, 4}}},
       [](In x, DType) {
         const Var some = gather_columns(x[0], indices({3, 2}, {0, -1, -1, 1, 2, 3}), kMinusInfinity);
         return marked_cross_entropy(some, indices({3, 2}, {1, 0, 1, 1, 0, 0}), indices({2}, {0, 3}));
       }},
      {"marked_cross_entropy_large",
       {{{1301, 3}, {}, 3.0}},
       [](In x, DType) {
         return marked_cross_entropy(x[0], many_indices({1301, 3}, 1), indices({4}, {0, 31, 700, 1301}));
       },
       true},
  };
}

// diagonal_products (or diagonal_sums) of tensors (G, K, T).
OpCase diagonals_case(const char* name, Shape x, Diagonals offsets, bool products, bool large = false) {
  const Shape weights{static_cast<int64_t>(offsets.size()), x[0], x[2]};
  if (products) {
    return {name, {{x}, {x}}, [=](In in, DType) { return diagonal_products(in[0], in[1], offsets); }, large};
  }
  return {name, {{weights}, {x}}, [=](In in, DType) { return diagonal_sums(in[0], in[1], offsets); }, large};
}

std::vector<OpCase> moving_cases() {
  const auto look_up = [](const char* name, Shape table, Tensor ids, bool large = false) {
    return OpCase{name,
                  {{table, kParameter}},
                  [ids](In x, DType dtype) { return embedding(x[0], ids, 1.5, dtype); },
                  large};
  };
  std::vector<int32_t> ids(2000);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * 7919 % 53);
  return {
      look_up("embedding", {7, 3}, indices({2, 4}, {6, 0, 3, 3, 3, 1, 6, 0})),
      look_up("embedding_of_one", {1, 1}, indices({1}, {0})),
      look_up("embedding_large", {60, 33}, indices({2000}, ids), true),
      {"select_rows",
       {{{5, 3}}},
       [](In x, DType) {
         return select_rows(x[0], indices({4}, {4, 0, 2, 0}));
       }},
      {"select_rows_large",
       {{{60, 33}}},
       [all = indices({2000}, ids)](In x, DType) { return select_rows(x[0], all); },
       true},
      {"reshape",
       {{{2, 6}}},
       [](In x, DType) {
         return reshape(x[0], {3, 1, 4});
       }},
      {"slice", {{{5, 3}}}, [](In x, DType) { return slice(x[0], 1, 4); }},
      {"slice_of_one", {{{5}}}, [](In x, DType) { return slice(x[0], 4, 5); }},
      {"gather_columns",
       {{{4, 5}}},
       [](In x, DType) {
         return gather_columns(x[0], indices({2, 6}, {0, 0, 4, -1, 2, 0, 3, 1, -1, -1, 4, 3}), 0.5);
       }},
      {"gather_columns_of_one",
       {{{3, 1}}},
       [](In x, DType) {
         return gather_columns(x[0], indices({1, 1}, {0}));
       }},
      {"gather_columns_large",
       {{{303, 65}}},
       [](In x, DType) {
         return gather_columns(x[0], many_indices({101, 129}, 65));
       },
       true},
      {"swap_axes", {{{2, 3, 4}}}, [](In x, DType) { return swap_axes(x[0], 0); }},
      {"swap_axes_inside", {{{2, 3, 5, 2}}}, [](In x, DType) { return swap_axes(x[0], 1); }},
      {"swap_axes_last", {{{2, 3, 5}}}, [](In x, DType) { return swap_axes(x[0], 1); }},
      diagonals_case("diagonal_products", {4, 3, 7}, {{0, 0, 0, 0}, {-2, 1, 9, -6}, {6, -1, -7, 2}}, true),
      diagonals_case("diagonal_products_of_one", {1, 1, 1}, {{0}}, true),
      diagonals_case("diagonal_sums", {4, 3, 7}, {{0, 0, 0, 0}, {-2, 1, 9, -6}, {6, -1, -7, 2}}, false),
      diagonals_case("diagonal_products_large", {3, 20, 301}, {{-9, 3, 0}, {0, 0, 1}}, true, true),
      diagonals_case("diagonal_sums_large", {3, 20, 301}, {{-9, 3, 0}, {0, 0, 1}}, false, true),
      {"swap_axes_large", {{{31, 65, 7, 3}}}, [](In x, DType) { return swap_axes(x[0], 1); }, true},
  };
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> all = [] {
    std::vector<OpCase> rows;
    for (const auto& family :
         {elementwise_cases(), linear_cases(), row_cases(), moving_cases(), attention_cases()}) {
      rows.insert(rows.end(), family.begin(), family.end());
    }
    return rows;
  }();
  return all;
}

std::vector<OpCase> small_op_cases() {
  std::vector<OpCase> rows;
  for (const OpCase& row : op_cases()) {
    if (!row.large) rows.push_back(row);
  }
  return rows;
}

std::vector<Tensor> inputs_of(const OpCase& row, DType dtype) {
  std::vector<Tensor> inputs;
  for (const OpInput& input : row.inputs) {
    const bool narrow_parameter = input.kind == kParameter && dtype == DType::bf16;
    inputs.push_back(random_tensor(input.shape, narrow_parameter ? DType::f32 : dtype,
                                   static_cast<uint32_t>(inputs.size() + 1), input.factor));
  }
  return inputs;
}

Tensor cotangent_like(const Tensor& output) { return random_tensor(output.shape(), output.dtype(), 100); }

double inner_product(const Tensor& a, const Tensor& b) {
  const double *x = a.data<double>(), *y = b.data<double>();
  double total = 0;
  for (int64_t i = 0; i < a.elements(); ++i) total += x[i] * y[i];
  return total;
}

OpResult run_forward_and_backward(const OpCase& row, DType dtype, Device device) {
  std::vector<Var> inputs;
  for (const Tensor& input : inputs_of(row, dtype)) inputs.push_back(Var::leaf(input.to(device)));
  const Var output = row.run(inputs, dtype);
  CHECK(output.value().device() == device, row.name, ": the output is not where the inputs are");
  tape().backward(output, cotangent_like(output.value()).to(device));
  OpResult result{output.value().to(Device::cpu), {}};
  for (const Var& input : inputs) {
    const Tensor& sum = input.gradient()->sum;
    result.gradients.push_back((sum.defined() ? sum : Tensor::zeros_like(input.value())).to(Device::cpu));
  }
  return result;
}

}  // namespace lf
