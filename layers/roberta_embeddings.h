// The embeddings of RoBERTa and Longformer: the sum of a word's, a position's and a token type's, normed.
#pragma once

#include <vector>

#include "layers/encoder_shape.h"

namespace lf {

struct RobertaEmbeddings {
  EncoderShape shape;
  Parameter words, positions, token_types;  // (V, D), (positions, D), (types, D)
  LayerNorm norm;

  explicit RobertaEmbeddings(const EncoderShape& shape_);

  // (..., D) for the input's ids (...)
  Var operator()(const EncoderInput& input, const Pass& pass) const;

  void visit(auto&& field) {
    field("word_embeddings.weight", words);
    field("position_embeddings.weight", positions);
    field("token_type_embeddings.weight", token_types);
    field("LayerNorm", norm);
  }
};

// Positions from ids as RoBERTa counts them, anew in every sequence: padding_id where the id is padding_id,
// else padding_id plus the number of other ids so far; i32 of ids' shape. Of slices: of the whole sequences.
Tensor positions_of(const Tensor& ids, const std::vector<int64_t>& offsets, int32_t padding_id,
                    const SequenceSlices* slices = nullptr);

}  // namespace lf
