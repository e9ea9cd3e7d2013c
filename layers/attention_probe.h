// Who is shown, while an encoder runs, what each of its layers attends by.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "layers/encoder_shape.h"

namespace lf {

// Queries and keys of one layer behind their projections, not yet divided by sqrt(K), on the model's device
// and in the pass's dtype. N tokens of all sequences, H heads, K head width, M global tokens.
struct AttentionInputs {
  const EncoderShape& shape;
  const EncoderInput& input;
  int64_t layer = 0;
  Tensor q{}, k{};                // N H K elements
  Tensor q_global{}, k_global{};  // (M, H, K) and N H K elements; undefined in batches without global tokens
};

class AttentionProbe {
 public:
  virtual ~AttentionProbe() = default;
  // Called by every layer in turn, bottom to top; what `seen` refers to lives until it returns.
  virtual void see(const AttentionInputs& seen) = 0;
};

}  // namespace lf
