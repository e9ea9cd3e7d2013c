#include "layers/sequence_classifier.h"

#include <iterator>

#include "autograd/sequence_slices.h"

namespace lf {
namespace {

// The encoder's sites are far below these.
constexpr uint32_t kHeadInputSite = 1 << 16, kHeadInnerSite = kHeadInputSite + 1;

// Row by row of x (N, D): the first token of each sequence, all of which the first of several ranks has.
Var first_tokens(const Var& hidden, const EncoderInput& input, const Pass& pass) {
  std::vector<int64_t> begins = input.sequences();
  if (pass.slices && pass.slices->ranks->rank() > 0) begins.resize(1);
  const Tensor rows =
      Tensor::from({std::ssize(begins) - 1}, std::vector<int32_t>(begins.begin(), begins.end() - 1));
  return select_rows(reshape(hidden, {input.ids.elements(), hidden.dim(-1)}), rows);
}

}  // namespace

ClassificationHead::ClassificationHead(int64_t width, int64_t classes, double drop_)
    : dense(width, width, true), out_proj(width, classes, true), drop(drop_) {
  CHECK(classes >= 2, "classification head: ", classes, " classes; there must be two or more");
}

Var ClassificationHead::operator()(const Var& x, const Pass& pass) const {
  const Var inner = tanh(dense(dropout(x, pass.dropout(drop, kHeadInputSite))));
  return out_proj(dropout(inner, pass.dropout(drop, kHeadInnerSite)));
}

SequenceClassifier::SequenceClassifier(const EncoderShape& shape, int64_t classes, double head_dropout)
    : encoder(shape), classifier(shape.width, classes, head_dropout) {}

Var SequenceClassifier::logits(const EncoderInput& input, const Pass& pass, bool recomputes) const {
  return classifier(first_tokens(encoder(input, pass, recomputes), input, pass), pass);
}

}  // namespace lf
