// The sizes of BART and LED, and a batch of sources and targets for them.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/encoder_shape.h"

namespace lf {

struct Seq2SeqShape {
  EncoderShape encoder;  // its vocabulary, width, norms, dropout and padding id are the decoder's as well
  int64_t decoder_layers = 6, decoder_heads = 12, decoder_feed_forward = 3072;
  int64_t decoder_positions = 1024;  // rows of the position table, those before position 0 among them
  bool scales_embeddings = false;    // words are multiplied by sqrt(width)
  int32_t begin_id = 0, end_id = 2;
  int32_t start_id = 2;  // what the decoder reads first

  bool is_led() const { return encoder.is_longformer(); }
  int64_t longest_target() const { return decoder_positions - encoder.first_position(); }
};

// The decoder's tokens of B sequences, one sequence behind the other, in CPU memory.
struct DecoderInput {
  Tensor ids;                    // (M) i32
  std::vector<int64_t> offsets;  // (B + 1)
};

}  // namespace lf
