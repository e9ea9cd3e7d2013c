// One token at a time: CharLM with a cache of the keys and values that its windows still reach. Cost per
// token is O(layers x window), whatever the text's length. Runs where the model is.
#pragma once

#include <vector>

#include "layers/char_lm.h"

namespace lf {

class CharLMDecoder {
 public:
  // The model must outlive the decoder. Computes in f32.
  CharLMDecoder(const CharLM& model, const CharLMPattern& pattern);

  // Appends one token, id (1) i32; returns the logits (1,V) f32 of the one after it, which a device may still
  // be computing.
  Tensor next(const Tensor& id);
  int64_t tokens() const { return tokens_; }

 private:
  // What a layer keeps of its last `slots` tokens; token t is in slot t mod slots.
  struct Cache {
    Tensor keys, values;  // (slots,H,K)
    Tensor dilation;      // (H) i32
    Tensor distances;     // (slots,H,K): the projected sinusoids; undefined without relative positions
  };

  const CharLM& model_;
  CharLMPattern pattern_;
  std::vector<Cache> caches_;
  int64_t tokens_ = 0;
};

}  // namespace lf
