#include "layers/seq2seq.h"

#include <cmath>

#include "autograd/sequence_slices.h"

namespace lf {
namespace {

constexpr uint32_t kEncoderSite = 0, kDecoderSite = 1;

// 0, 1, ... anew in every sequence, or on from where a slice begins.
std::vector<int64_t> positions_in(const std::vector<int64_t>& offsets,
                                  const SequenceSlices* slices = nullptr) {
  std::vector<int64_t> positions;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    const int64_t first = slices ? slices->begin(static_cast<int64_t>(b), slices->ranks->rank()) : 0;
    for (int64_t n = 0; n < offsets[b + 1] - offsets[b]; ++n) positions.push_back(first + n);
  }
  return positions;
}

Var embed(const Seq2Seq& model, const BartEmbeddings& embeddings, const Tensor& ids,
          const std::vector<int64_t>& positions, const Pass& pass, uint32_t site) {
  const EncoderShape& shape = model.shape.encoder;
  const double factor = model.shape.scales_embeddings ? std::sqrt(static_cast<double>(shape.width)) : 1.0;
  std::vector<int32_t> rows;  // of the position table
  for (const int64_t position : positions)
    rows.push_back(static_cast<int32_t>(shape.first_position() + position));
  // Look-ups of the padding id do not train the table, as in PyTorch's padding_idx.
  const Var words = embedding(model.model.words, ids, factor, pass.compute, shape.padding_id);
  const Var x =
      add(words, embedding(embeddings.positions, Tensor::from(ids.shape(), rows), 1.0, pass.compute));
  return dropout(embeddings.norm(x), pass.token_dropout(shape.dropout, site));
}

void check_target(const Seq2SeqShape& shape, const DecoderInput& input, const EncoderOutput& source) {
  const std::vector<int64_t>& offsets = input.offsets;
  CHECK(input.ids.shape().rank() == 1 && offsets.size() > 1 && offsets.front() == 0 &&
            offsets.back() == input.ids.elements(),
        "decoder: ids are ", input.ids.shape(), "; needed (M), with offsets from 0 to M");
  CHECK(offsets.size() == source.offsets.size(), "decoder: ", offsets.size() - 1, " targets for ",
        source.offsets.size() - 1, " sources");
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    const int64_t length = offsets[b + 1] - offsets[b];
    CHECK(length > 0, "decoder: target ", b, " has no tokens");
    CHECK(length <= shape.longest_target(), "decoder: a target of ", length, " tokens, but the model has ",
          shape.longest_target(), " positions");
  }
}

}  // namespace

BartEmbeddings::BartEmbeddings(const EncoderShape& shape, int64_t rows)
    : positions{.shape = {rows, shape.width}}, norm(shape.make_norm()) {}

BartModel::BartModel(const Seq2SeqShape& shape)
    : words{.shape = {shape.encoder.vocabulary, shape.encoder.width}},
      encoder{{shape.encoder, shape.encoder.positions},
              std::vector(static_cast<size_t>(shape.encoder.layers),
                          EncoderLayer(shape.encoder, shape.is_led() ? kLedBlock : kBartBlock))},
      decoder{{shape.encoder, shape.decoder_positions},
              std::vector(static_cast<size_t>(shape.decoder_layers), DecoderLayer(shape))} {}

Seq2Seq::Seq2Seq(const Seq2SeqShape& shape_)
    : shape(shape_),
      model(shape_),
      logits_bias{.shape = {1, shape_.encoder.vocabulary}, .initial = Initial::zero, .decays = false} {
  shape.encoder.check();
  CHECK(shape.encoder.width % shape.decoder_heads == 0, "decoder: ", shape.decoder_heads,
        " heads do not divide the width ", shape.encoder.width);
}

EncoderOutput Seq2Seq::encode(const EncoderInput& input, const Pass& pass, bool recomputes) const {
  check_input(shape.encoder, input, pass);
  CHECK(shape.is_led() || !input.global_tokens || input.global_tokens->positions.empty(),
        "encoder: BART has no global attention; convert it to LED first");
  const std::vector<int64_t> offsets = input.sequences();
  const Var x = embed(*this, model.encoder.embeddings, input.ids, positions_in(offsets, pass.slices.get()),
                      pass, kEncoderSite);
  const Var hidden = lf::encode(shape.encoder, model.encoder.layers, x, input, pass, recomputes);
  const Tensor mask = input.mask.defined() ? input.mask.view({input.ids.elements()}) : Tensor();
  return {reshape(hidden, {input.ids.elements(), shape.encoder.width}), offsets, mask};
}

Var Seq2Seq::decode(const DecoderInput& input, const EncoderOutput& source, const Pass& pass,
                    bool recomputes) const {
  CHECK(!pass.slices, "decoder: it attends to whole sources, not to slices of them");
  check_target(shape, input, source);
  const Var x = embed_target(input.ids, positions_in(input.offsets), pass);
  return lf::decode(shape, model.decoder.layers, x, input, source, pass, recomputes);
}

Var Seq2Seq::embed_target(const Tensor& ids, const std::vector<int64_t>& positions, const Pass& pass) const {
  return embed(*this, model.decoder.embeddings, ids, positions, pass, kDecoderSite);
}

Var Seq2Seq::logits(const Var& hidden) const {
  return linear(hidden, model.words.in(hidden.dtype()),
                reshape(logits_bias.value, {shape.encoder.vocabulary}));
}

}  // namespace lf
