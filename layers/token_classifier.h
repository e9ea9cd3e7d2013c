// An encoder with Hugging Face's head for tokens (LongformerForTokenClassification,
// RobertaForTokenClassification), of the tokens that are asked for: logits = classifier(dropout(x))
#pragma once

#include "layers/encoder.h"

namespace lf {

struct TokenClassifier {
  Encoder encoder;
  Linear classifier;
  double drop;  // before the classifier; Hugging Face's `classifier_dropout`

  // The head drops as the encoder does.
  TokenClassifier(const EncoderShape& shape, int64_t classes);

  // (W, classes), of W of the N tokens that the input, or this rank's slice of it, has: rows (W) i32.
  Var logits(const EncoderInput& input, const Tensor& rows, const Pass& pass, bool recomputes = false) const;

  void visit(auto&& field) {
    field(encoder.name(), encoder);
    field("classifier", classifier);
  }
};

}  // namespace lf
