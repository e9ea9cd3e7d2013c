// Sequence classifiers against transformers (tests/reference/make_classifier_golden.py): logits, loss and
// every gradient, of the padded batch, of the ragged one, and of one document at a time.
#include "layers/sequence_classifier.h"

#include <gtest/gtest.h>

#include <iterator>

#include "tests/layers/encoder_golden.h"
#include "tests/places.h"
#include "tests/testing.h"

namespace lf {
namespace {

struct Golden {
  SafetensorsFile file;
  SequenceClassifier model;
  ParameterBlock block;
  EncoderInput input;
  Tensor labels;  // (B) i32

  Golden(const std::string& name, DType dtype)
      : file(source_path("tests/golden/" + name + ".safetensors")),
        model(golden_shape(file), file.info("classifier.out_proj.bias").shape[0]),
        block(pack(model, dtype)),
        input(golden_input(file)),
        labels(to_i32(file.read("labels"))) {
    read_parameters(file, block);
  }

  EncoderInput ragged() const { return without_padding(input).input; }
  // The mean over the batch's documents of the losses of these.
  Var loss(const EncoderInput& documents, const Tensor& targets, bool recomputes = false) const {
    const Var losses =
        cross_entropy(model.logits(documents, {.compute = block.values.dtype()}, recomputes), targets);
    return scale(sum(losses), 1.0 / static_cast<double>(labels.elements()));
  }
};

class ClassifierParity : public ::testing::TestWithParam<const char*> {};

TEST_P(ClassifierParity, LogitsEqualTransformers) {
  const Golden c(GetParam(), DType::f32);
  const Tensor expected = c.file.read("logits");
  EXPECT_TRUE(
      compare(c.model.logits(c.input, {}).value(), expected, tolerance_of(DType::f32, Compared::model)));
  const EncoderInput ragged = c.ragged();
  const Tensor batch = c.model.logits(ragged, {}).value();
  EXPECT_TRUE(compare(batch, expected, tolerance_of(DType::f32, Compared::model)));
  for (int64_t b = 0; b < batch.dim(0); ++b) {
    const Tensor alone = c.model.logits(sequence_of(ragged, b), {}).value();
    EXPECT_TRUE(compare(alone, batch.slice(b, b + 1), tolerance_of(DType::f32, Compared::neighbours))) << b;
  }
}

TEST_P(ClassifierParity, LossAndEveryGradientEqualTransformers) {
  for (const bool recomputes : {false, true}) {
    for (const bool padded : {false, true}) {
      const Golden c(GetParam(), DType::f64);
      const Var loss = c.loss(padded ? c.input : c.ragged(), c.labels, recomputes);
      backward(loss);
      EXPECT_NEAR(loss.value().item(), c.file.read("loss").to_doubles()[0], 1e-6);
      expect_golden_gradients(c.file, c.block);
    }
  }
}

TEST_P(ClassifierParity, DocumentsOneByOneGiveTheBatchsGradient) {
  const Golden batch(GetParam(), DType::f32), alone(GetParam(), DType::f32);
  const EncoderInput ragged = batch.ragged();
  backward(batch.loss(ragged, batch.labels));
  for (int64_t b = 0; b < alone.labels.elements(); ++b)
    backward(alone.loss(sequence_of(ragged, b), alone.labels.slice(b, b + 1)));
  EXPECT_TRUE(
      compare(alone.block.gradients, batch.block.gradients, tolerance_of(DType::f32, Compared::neighbours)));
}

TEST_P(ClassifierParity, NoParameterIsLeftOver) {
  const Golden c(GetParam(), DType::f32);
  size_t gradients = 0;
  for (const std::string& name : c.file.names()) gradients += name.starts_with("grad.");
  EXPECT_EQ(gradients, c.block.parameters.size());
}

INSTANTIATE_TEST_SUITE_P(Models, ClassifierParity,
                         ::testing::Values("classifier_roberta", "classifier_longformer"));

// Dropout of the head: at its input and behind the tanh, with bits of their own.
TEST(SequenceClassifier, TheHeadDropsTwice) {
  ClassificationHead head(64, 2, 0.5);
  const ParameterBlock block = pack(head);
  initialise(head, block, 0.3, 1);
  const Tensor x = random_tensor({3, 64}, DType::f32, 5);
  const Pass pass{.training = true, .seed = 4};
  const Var expected = head.out_proj(
      dropout(tanh(head.dense(dropout(x, pass.dropout(0.5, 1 << 16)))), pass.dropout(0.5, (1 << 16) + 1)));
  EXPECT_TRUE(compare(head(x, pass).value(), expected.value(), 0));
  EXPECT_FALSE(compare(head(x, {}).value(), expected.value(), 1e-3));
}

TEST(SequenceClassifier, OneClassIsAnError) {
  EXPECT_ERROR_TEXT(ClassificationHead(8, 1, 0.0),
                    "classification head: 1 classes; there must be two or more");
}

}  // namespace
}  // namespace lf
