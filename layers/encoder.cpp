#include "layers/encoder.h"

#include "layers/chosen_targets.h"

namespace lf {

Encoder::Encoder(const EncoderShape& shape_)
    : shape(shape_), embeddings(shape_), layers(static_cast<size_t>(shape_.layers), EncoderLayer(shape_)) {
  shape.check();
}

Var Encoder::operator()(const EncoderInput& input, const Pass& pass, bool recomputes) const {
  check_input(shape, input, pass);
  CHECK(shape.is_longformer() || !input.global_tokens || input.global_tokens->positions.empty(),
        "encoder: RoBERTa has no global attention; convert it to a Longformer first");
  return encode(shape, layers, embeddings(input, pass), input, pass, recomputes);
}

MaskedLM::MaskedLM(const EncoderShape& shape)
    : encoder(shape),
      dense(shape.width, shape.width, true),
      norm(shape.make_norm()),
      output_bias{.shape = {shape.vocabulary}, .initial = Initial::zero, .decays = false} {}

Var MaskedLM::logits(const Var& hidden) const {
  const Var x = norm(gelu_dropout(dense(hidden), Dropout()));
  return linear(x, encoder.embeddings.words.in(x.dtype()), output_bias);
}

Var MaskedLM::losses(const EncoderInput& input, const Tensor& targets, const Pass& pass,
                     bool recomputes) const {
  CHECK(targets.shape() == input.ids.shape() && targets.dtype() == DType::i32, "masked LM: targets are ",
        targets.shape(), ' ', name(targets.dtype()), " for ids ", input.ids.shape(),
        "; needed the same, i32");
  const ChosenTargets chosen = chosen_targets(targets);
  const Var hidden = encoder(input, pass, recomputes);
  const Shape rows{targets.elements(), encoder.shape.width};
  return cross_entropy(logits(select_rows(reshape(hidden, rows), chosen.rows)), chosen.targets);
}

}  // namespace lf
