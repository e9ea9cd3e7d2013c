// The sizes of a character language model, as a configuration names them.
#pragma once

#include <cstdint>

namespace lf {

struct CharLMShape {
  int64_t vocabulary = 0;  // a model needs it
  int64_t layers = 12, width = 512, heads = 8;
  int64_t head_width = 0;  // 0 is width / heads
  int64_t feed_forward = 2048;
  double dropout = 0.2, attention_dropout = 0.0;
  bool relative_positions = true;
  bool final_layer_norm = false;  // Transformer-XL's pre-LN code has none

  // With head_width written out.
  CharLMShape complete() const;
  bool operator==(const CharLMShape&) const = default;
};

}  // namespace lf
