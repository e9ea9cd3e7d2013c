// One token at a time: CharLM with a cache of the keys and values that its windows still reach. Cost per
// token is O(layers x window), whatever the text's length.
#pragma once

#include <vector>

#include "layers/char_lm.h"

namespace lf {

class CharLMDecoder {
 public:
  // The model must outlive the decoder. Computes in f32.
  CharLMDecoder(const CharLM& model, const CharLMPattern& pattern);

  // Appends one token; returns the logits (V) of the one after it.
  std::vector<float> next(int32_t id);
  int64_t tokens() const { return tokens_; }

 private:
  // The keys and values of a layer's last `slots` tokens; token t is in slot t mod slots.
  struct Cache {
    int64_t slots = 0;
    std::vector<float> keys, values;  // (slots, H, K)
    Tensor distances;                 // (distances, H, K): the projected sinusoids
  };

  void attend(const Cache& cache, const LayerPattern& pattern, const float* query, float* context) const;

  const CharLM& model_;
  CharLMPattern pattern_;
  std::vector<Cache> caches_;
  int64_t tokens_ = 0;
};

}  // namespace lf
