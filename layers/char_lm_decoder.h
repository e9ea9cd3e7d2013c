// One token at a time: CharLM with a cache of the keys and values that its windows still reach. Cost per
// token is O(layers x window), whatever the text's length. Runs where the model is.
#pragma once

#include <vector>

#include "layers/char_lm.h"
#include "layers/decoder.h"

namespace lf {

class CharLMDecoder : public Decoder {
 public:
  // The model must outlive the decoder. Computes in f32.
  CharLMDecoder(const CharLM& model, const CharLMPattern& pattern);

  Tensor next(const Tensor& id) override;
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
