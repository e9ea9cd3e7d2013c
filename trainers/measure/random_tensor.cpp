#include "trainers/measure/random_tensor.h"

#include "core/kernels/convert.h"
#include "core/parallel.h"
#include "core/random.h"

namespace lf {

Tensor random_tensor(const Shape& shape, DType dtype, uint64_t stream, Device device) {
  Tensor x = Tensor::empty(shape, DType::f32);
  const RandomKey key{stream, 0, 0};
  float* const values = x.data<float>();
  parallel_for(x.elements(), 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) values[i] = 2 * uniform(key, static_cast<uint64_t>(i)) - 1;
  });
  return cast(x, dtype).to(device);
}

}  // namespace lf
