// The table of differentiable operations that gradient checks, dtype parity and determinism tests all run.
// A new op needs one row here and nothing else.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace lf {

// An activation has the run's compute dtype; a parameter is f32 whatever that is (f64 in f64).
enum class InputKind { activation, parameter };

struct OpInput {
  Shape shape;
  InputKind kind = InputKind::activation;
  double factor = 1.0;            // standard deviation of the random values
  bool without_gradient = false;  // the formula gives this input a zero gradient (layer norm of width 1)
};

struct OpCase {
  std::string name;
  std::vector<OpInput> inputs;
  // The op on inputs of the row's shapes; `dtype` is the compute dtype.
  std::function<Var(const std::vector<Var>& in, DType dtype)> run;
  bool large = false;  // too many elements for finite differences: parity and determinism only
};

const std::vector<OpCase>& op_cases();
std::vector<OpCase> small_op_cases();

// Random inputs of the row, in CPU memory; the same numbers in every compute dtype.
std::vector<Tensor> inputs_of(const OpCase& row, DType dtype);

// The output, and the gradient of <r, output> for a fixed random r by every input (zeros where none came);
// both in CPU memory, wherever they were computed.
struct OpResult {
  Tensor output;
  std::vector<Tensor> gradients;
};
OpResult run_forward_and_backward(const OpCase& row, DType dtype, Device device = Device::cpu);

// The fixed random r, of the output's shape and dtype.
Tensor cotangent_like(const Tensor& output);

// What a value is moved by, up and down, to see the slope of a function in double.
inline constexpr double kDifferenceStep = 1e-5;

// Of two double tensors with equal numbers of elements.
double inner_product(const Tensor& a, const Tensor& b);

// So that test lists show a row by its name.
inline void PrintTo(const OpCase& row, std::ostream* out) { *out << row.name; }

}  // namespace lf
