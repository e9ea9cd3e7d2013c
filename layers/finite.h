// Which tensors hold values that are not finite: NaN or infinite.
#pragma once

#include <string>
#include <vector>

#include "core/weights/safetensors.h"
#include "layers/module.h"

namespace lf {

struct NotFinite {
  std::string name;
  int64_t count = 0, elements = 0;  // values that are not finite, and all of the tensor's
};

// The tensors with such values, in their order; integers are always finite.
std::vector<NotFinite> not_finite(const std::vector<NamedTensor>& tensors);

// "layers.0.weight (3 of 1,024 values)" and so on; of many the first three, and how many more there are.
std::string list_of(const std::vector<NotFinite>& tensors);

// A line about them, of which there is one at least: that what the tensors in `where` compute is of no use.
std::string not_finite_warning(const std::string& where, const std::vector<NotFinite>& tensors);

// Adds a line about those in `where` to the warnings, where there are any.
void warn_if_not_finite(const std::string& where, const std::vector<NamedTensor>& tensors,
                        std::vector<std::string>& warnings);
void warn_if_not_finite(const std::string& where, const ParameterBlock& parameters,
                        std::vector<std::string>& warnings);

}  // namespace lf
