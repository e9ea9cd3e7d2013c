// Every kernel of the ground floor. A family NAME is core/kernels/NAME.cpp (namespace cpu) and, where there
// is CUDA, NAME.cu (namespace cuda); the public function of the same name picks by device. menu.inc declares
// them once.
#pragma once

#include <vector>

#include "core/kernels/attention_call.h"
#include "core/plan_kernel.h"
#include "core/random.h"
#include "core/tensor.h"

namespace lf::kernels {

// How many elements sums_of_squares() adds up.
inline constexpr int64_t kSquares = 4096;

// Settings of one AdamW update.
struct AdamW {
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  int64_t step = 1;             // counts from 1: the bias correction's exponent
  double gradient_scale = 1.0;  // clipping, applied on the way in
};

// Where a text that is written token by token stands. Token t's key and value lie in slot t mod slots.
struct CachedToken {
  int64_t token = 0;   // the newest, counted from 0
  int64_t window = 0;  // earlier keys that a head sees, in steps of its dilation
};

// Texts that are written side by side, R rows of them, and share what they have in common: token t of row r
// has its key and value in place table[r][t] of a cache. Both lie on the cache's device.
struct CachedRows {
  Tensor table;   // (R,T) i32; a row's last place is its newest token's, and no other row's
  Tensor unused;  // (R) i32: so many places at the end of a row stand for no token; less than T

  template <class F>
  void visit(F&& f) {
    f(table), f(unused);
  }
};

// How the next token is chosen from its logits; named as in Hugging Face's generation settings.
struct Sampling {
  bool do_sample = true;     // false: always the most likely token, of equals the first
  double temperature = 1.0;  // logits are divided by it
  int64_t top_k = 0;         // only the k most likely; 0: all
  double top_p = 1.0;        // of these only the most likely ones whose probabilities sum up to p
};

#include "core/kernels/menu.inc"

namespace cpu {
#include "core/kernels/menu.inc"
}
namespace cuda {
#include "core/kernels/menu.inc"
}

}  // namespace lf::kernels
