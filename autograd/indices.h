// Integer inputs of operations: ids, targets, rows, columns.
#pragma once

#include "core/tensor.h"

namespace lf {

// The indices on the device of the values that they choose from: themselves where they are there already.
// Those that come from the CPU are checked on the way, since a device cannot throw: outside [least, limit) is
// an Error naming `who`. Kernels show a wrong index that was on the device from the start as NaN.
inline Tensor indices_for(const Tensor& values, const Tensor& indices, int64_t least, int64_t limit,
                          const char* who) {
  if (indices.device() == values.device()) return indices;
  const Tensor here = indices.to(Device::cpu);
  const int32_t* index = here.data<int32_t>();
  for (int64_t i = 0; i < here.elements(); ++i) {
    CHECK(index[i] >= least && index[i] < limit, who, ": index ", index[i], " at position ", i,
          " is outside [", least, ", ", limit, ')');
  }
  return here.to(values.device());
}

}  // namespace lf
