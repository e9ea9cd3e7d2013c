// Tensors that tests bring to the device.
#pragma once

#include "tests/testing.h"

namespace lf {

inline constexpr DType kFloats[] = {DType::f32, DType::bf16, DType::f64};

// The tensor on the device, one element behind an address that vectors would fit.
inline Tensor shifted(const Tensor& x) {
  const Tensor memory = Tensor::empty({x.elements() + 1}, x.dtype(), Device::cuda);
  Tensor result = memory.window(1, x.shape());
  result.copy_from(x);
  return result;
}
inline Tensor straight(const Tensor& x) { return x.to(Device::cuda); }

}  // namespace lf
