// A model as the writer of a text, one token at a time. Sampling and search know no more of a model.
#pragma once

#include "core/tensor.h"

namespace lf {

class Decoder {
 public:
  virtual ~Decoder() = default;

  // Appends one token, id (1) i32; returns the logits (1,V) f32 of the one after it, which a device may still
  // be computing.
  virtual Tensor next(const Tensor& id) = 0;
};

}  // namespace lf
