// An encoder with Hugging Face's classification head (LongformerForSequenceClassification,
// RobertaForSequenceClassification), of the first token of each sequence:
//   logits = out_proj(dropout(tanh(dense(dropout(x)))))
#pragma once

#include "layers/encoder.h"

namespace lf {

struct ClassificationHead {
  Linear dense, out_proj;
  double drop;  // of `classifier_dropout` in Hugging Face's configurations

  ClassificationHead(int64_t width, int64_t classes, double drop_);
  // x (B, D) -> (B, classes)
  Var operator()(const Var& x, const Pass& pass) const;

  void visit(auto&& field) {
    field("dense", dense);
    field("out_proj", out_proj);
  }
};

struct SequenceClassifier {
  Encoder encoder;
  ClassificationHead classifier;

  // The head drops as the encoder does.
  SequenceClassifier(const EncoderShape& shape, int64_t classes)
      : SequenceClassifier(shape, classes, shape.dropout) {}
  SequenceClassifier(const EncoderShape& shape, int64_t classes, double head_dropout);

  // (B, classes); the input as the encoder takes it. Of slices: on the first rank, (0, classes) on others.
  Var logits(const EncoderInput& input, const Pass& pass, bool recomputes = false) const;

  void visit(auto&& field) {
    field(encoder.name(), encoder);
    field("classifier", classifier);
  }
};

}  // namespace lf
