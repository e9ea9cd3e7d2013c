#include "layers/token_classifier.h"

#include "core/check.h"

namespace lf {
namespace {

constexpr uint32_t kTokenHeadSite = 1 << 16;  // the encoder's sites are far below it

}  // namespace

TokenClassifier::TokenClassifier(const EncoderShape& shape, int64_t classes)
    : encoder(shape), classifier(shape.width, classes, true), drop(shape.dropout) {
  CHECK(classes >= 2, "token classifier: ", classes, " classes; there must be two or more");
}

Var TokenClassifier::logits(const EncoderInput& input, const Tensor& rows, const Pass& pass,
                            bool recomputes) const {
  const Var hidden = reshape(encoder(input, pass, recomputes), {input.ids.elements(), encoder.shape.width});
  // Of all tokens, so that slices of a sequence draw the bits of the whole.
  return classifier(select_rows(dropout(hidden, pass.token_dropout(drop, kTokenHeadSite)), rows));
}

}  // namespace lf
