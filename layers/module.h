// Modules. A module is any struct with `void visit(auto&& field)` that names its parameters and children:
//   struct Linear { Parameter weight, bias;
//                   void visit(auto&& field) { field("weight", weight); field("bias", bias); } };
// From that one list come count, initialise, pack, load and save; a path such as
// "layers.3.attention.qkv.weight" is the parameter's name everywhere. Member order is the order in files.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "autograd/tape.h"

namespace lf {

// How a parameter starts: drawn from N(0, range), from N(1, range), or all zeros or ones.
enum class Initial { normal, normal_around_one, zero, one };

// Copies of a block's parameters in another dtype are kept only while somebody tells of every change of the
// values (ParameterBlock::changed).
struct ParameterChanges {
  uint64_t count = 0;  // 0: nobody tells
};

// A parameter's copy, and after which change it was made.
struct ParameterCopy {
  Tensor value;
  uint64_t made = 0;
};

// A trained tensor. It has values only after pack().
struct Parameter {
  Shape shape;
  Initial initial = Initial::normal;
  bool decays = true;  // weight decay applies: matrices, but not biases, norms and other vectors

  Tensor value{};
  std::shared_ptr<Gradient> gradient{};

  std::shared_ptr<const ParameterChanges> changes{};
  std::shared_ptr<ParameterCopy> copy{};

  // The values in this dtype, made once per change of the block. Not for several threads at once.
  Tensor as(DType dtype) const;
  // The same as a value whose gradient, of the parameter's own dtype, gathers in the parameter's.
  Var in(DType dtype) const { return Var(as(dtype), gradient); }

  operator Var() const { return Var(value, gradient); }  // NOLINT: a parameter is used like a value
};

// Calls f(path, parameter) for every parameter of the module, in order.
template <class Module, class F>
void for_each_parameter(Module& module, F&& f, const std::string& prefix = "") {
  module.visit([&](const std::string& name, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, Parameter>) {
      f(prefix + name, field);
    } else if constexpr (requires { field.begin(); }) {
      size_t i = 0;
      for (auto& child : field) for_each_parameter(child, f, prefix + name + "." + std::to_string(i++) + ".");
    } else {
      for_each_parameter(field, f, prefix + name + ".");
    }
  });
}

// A packed parameter's name and place in the flat blocks.
struct PackedParameter {
  std::string name;
  Shape shape;
  int64_t offset = 0;  // elements
  bool decays = true;
};

// All parameters of a model in one flat block and their gradients in another, so that the norm, clipping, the
// update, the reduction over ranks and saving are one loop each. Decaying parameters come first: [0,
// decaying) decays.
struct ParameterBlock {
  Tensor values, gradients;                 // (elements), padded so that every parameter starts on 64 bytes
  int64_t decaying = 0;                     // elements
  std::vector<PackedParameter> parameters;  // in visit order

  // Elements [begin, end) of the block that the optimizer updates; all of it unless train_only() was called.
  struct Trained {
    int64_t begin = 0, end = 0;
    bool decays = false;
  };
  std::vector<Trained> trained;

  std::shared_ptr<ParameterChanges> changes = std::make_shared<ParameterChanges>();
  // The values have changed. From the first call on copies in other dtypes live until the next: whoever calls
  // this must do so after every change, be it by the optimizer or by reading a checkpoint.
  void changed() const { ++changes->count; }

  Tensor value(const PackedParameter& p) const { return values.window(p.offset, p.shape); }
  Tensor gradient(const PackedParameter& p) const { return gradients.window(p.offset, p.shape); }
};

// Whether a model is to be trained; without gradients its block has none.
enum class Gradients { wanted, none };

// Allocates the blocks (zeroed; f32, or f64 for gradient checks) and points every parameter at its slices.
template <class Module>
ParameterBlock pack(Module& module, DType dtype = DType::f32, Device device = Device::cpu,
                    Gradients gradients = Gradients::wanted);

// Leaves to the optimizer only the parameters whose names `chosen` accepts.
void train_only(ParameterBlock& block, const std::function<bool(const std::string&)>& chosen);

// Number of trained values.
template <class Module>
int64_t count_parameters(Module& module) {
  int64_t count = 0;
  for_each_parameter(module, [&](const std::string&, Parameter& p) { count += p.shape.elements(); });
  return count;
}

// Draws the parameter anew: a pure function of the seed and the parameter's name.
void initialise(const ParameterBlock& block, const PackedParameter& parameter, Initial kind, double range,
                uint64_t seed);

// Every parameter, or those of these names.
template <class Module>
void initialise(Module& module, const ParameterBlock& block, double range, uint64_t seed,
                const std::optional<std::vector<std::string>>& only = std::nullopt) {
  size_t i = 0;
  for_each_parameter(module, [&](const std::string& name, Parameter& p) {
    const PackedParameter& packed = block.parameters[i++];
    if (!only || std::find(only->begin(), only->end(), name) != only->end())
      initialise(block, packed, p.initial, range, seed);
  });
}

// Lays out parameters in visit order: those that decay first, each padded to 64 bytes. Returns the elements
// in all.
int64_t lay_out(std::vector<PackedParameter>& parameters, int64_t& decaying);

template <class Module>
ParameterBlock pack(Module& module, DType dtype, Device device, Gradients gradients) {
  ParameterBlock block;
  for_each_parameter(module, [&](const std::string& path, Parameter& p) {
    block.parameters.push_back({path, p.shape, 0, p.decays});
  });
  const int64_t elements = lay_out(block.parameters, block.decaying);
  block.trained = {{0, block.decaying, true}, {block.decaying, elements, false}};
  block.values = Tensor::zeros({elements}, dtype, device);
  const bool trains = gradients == Gradients::wanted;
  if (trains) block.gradients = Tensor::zeros({elements}, dtype, device);
  size_t i = 0;
  for_each_parameter(module, [&](const std::string&, Parameter& p) {
    const PackedParameter& packed = block.parameters[i++];
    p.value = block.value(packed);
    if (trains)
      p.gradient = std::make_shared<Gradient>(Gradient{p.shape, dtype, block.gradient(packed), true});
    p.changes = block.changes;
    p.copy = std::make_shared<ParameterCopy>();
  });
  return block;
}

}  // namespace lf
