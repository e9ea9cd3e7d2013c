// BART (Lewis et al. 2020) and LED (Beltagy et al. 2020, section 7), with Hugging Face's parameter names: an
// encoder, which in LED sees windows and global tokens, and a decoder that sees all of its output. Words are
// embedded by one table, which is the output layer as well.
#pragma once

#include <vector>

#include "layers/basic.h"
#include "layers/decoder_layer.h"
#include "layers/encoder_layer.h"
#include "layers/seq2seq_shape.h"

namespace lf {

// Words and positions of one side, normed. BART's tables have two rows before that of position 0.
struct BartEmbeddings {
  Parameter positions;  // (rows, D)
  LayerNorm norm;

  BartEmbeddings(const EncoderShape& shape, int64_t rows);
};

template <class Layer>
struct BartSide {
  BartEmbeddings embeddings;
  std::vector<Layer> layers;

  void visit(auto&& field) {
    field("embed_positions.weight", embeddings.positions);
    field("layers", layers);
    field("layernorm_embedding", embeddings.norm);
  }
};

struct BartModel {
  Parameter words;  // (V, D)
  BartSide<EncoderLayer> encoder;
  BartSide<DecoderLayer> decoder;

  explicit BartModel(const Seq2SeqShape& shape);
  void visit(auto&& field) {
    field("shared.weight", words);
    field("encoder", encoder);
    field("decoder", decoder);
  }
};

struct Seq2Seq {
  Seq2SeqShape shape;
  BartModel model;
  Parameter logits_bias;  // (1, V), not trained: nothing leads a gradient to it

  explicit Seq2Seq(const Seq2SeqShape& shape_);

  // Hugging Face's name of the model that it is in its files.
  const char* name() const { return shape.is_led() ? "led" : "model"; }

  // The encoder's last hidden states; see encode() and, for errors, check_input(). BART has no global tokens.
  EncoderOutput encode(const EncoderInput& input, const Pass& pass, bool recomputes = false) const;
  // The decoder's last hidden states (M, D). Errors: sequences that are not the encoder's, without tokens or
  // longer than shape.longest_target().
  Var decode(const DecoderInput& input, const EncoderOutput& source, const Pass& pass,
             bool recomputes = false) const;
  // What the decoder's layers read of tokens (M), which stand at these positions (M): (M, D).
  Var embed_target(const Tensor& ids, const std::vector<int64_t>& positions, const Pass& pass) const;
  // hidden (..., D) -> logits (..., V)
  Var logits(const Var& hidden) const;

  void visit(auto&& field) {
    field(name(), model);
    field("final_logits_bias", logits_bias);
  }
};

}  // namespace lf
