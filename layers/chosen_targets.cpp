#include "layers/chosen_targets.h"

#include <cstdint>
#include <vector>

namespace lf {

ChosenTargets chosen_targets(const Tensor& targets) {
  std::vector<int32_t> rows, values;
  const int32_t* target = targets.data<int32_t>();
  for (int64_t i = 0; i < targets.elements(); ++i) {
    if (target[i] == -1) continue;
    rows.push_back(static_cast<int32_t>(i));
    values.push_back(target[i]);
  }
  const Shape shape{static_cast<int64_t>(rows.size())};
  return {Tensor::from(shape, rows), Tensor::from(shape, values)};
}

}  // namespace lf
