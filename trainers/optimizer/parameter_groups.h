// Groups of parameters that are trained alike: with one rate and one weight decay.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "layers/module.h"

namespace lf {

struct ParameterGroup {
  // Elements [begin, end) of the flat block.
  struct Part {
    int64_t begin = 0, end = 0;
  };
  std::string name;
  double rate_factor = 1;   // of the stage's learning rate
  double weight_decay = 0;  // decoupled
  std::vector<Part> parts;
};

// What is trained of the block, as one group with weight decay and one without.
std::vector<ParameterGroup> decay_groups(const ParameterBlock& block, double weight_decay);

// The groups split in two each: the parameters whose names `chosen` accepts form groups of their own, called
// `name` and with the rate times `factor`. A group that is left with nothing is dropped.
std::vector<ParameterGroup> with_rate(const ParameterBlock& block, const std::vector<ParameterGroup>& groups,
                                      const std::string& name, double factor,
                                      const std::function<bool(const std::string&)>& chosen);

}  // namespace lf
