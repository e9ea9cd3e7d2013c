// Token classifiers against transformers (tests/reference/make_token_classifier_golden.py): logits, loss and
// every gradient, of the padded batch and of the ragged one.
#include "layers/token_classifier.h"

#include <gtest/gtest.h>

#include <iterator>
#include <numeric>

#include "layers/chosen_targets.h"
#include "tests/layers/encoder_golden.h"
#include "tests/places.h"
#include "tests/testing.h"

namespace lf {
namespace {

constexpr int64_t kIgnored = -100;

// -1 where nothing is to be told.
Tensor targets_of(const Tensor& labels) {
  std::vector<int32_t> targets;
  for (const double label : labels.to_doubles())
    targets.push_back(label == kIgnored ? -1 : static_cast<int32_t>(label));
  return Tensor::from(labels.shape(), targets);
}

Tensor all_rows(const EncoderInput& input) {
  std::vector<int32_t> rows(static_cast<size_t>(input.ids.elements()));
  std::iota(rows.begin(), rows.end(), 0);
  return Tensor::from({std::ssize(rows)}, rows);
}

struct GoldenTokens {
  SafetensorsFile file;
  TokenClassifier model;
  ParameterBlock block;
  EncoderInput input;
  Tensor targets;  // (B, T) i32

  GoldenTokens(const std::string& name, DType dtype)
      : file(source_path("tests/golden/" + name + ".safetensors")),
        model(golden_shape(file), file.info("classifier.bias").shape[0]),
        block(pack(model, dtype)),
        input(golden_input(file)),
        targets(targets_of(file.read("labels"))) {
    read_parameters(file, block);
  }

  Var loss(const EncoderInput& tokens, const Tensor& wanted, bool recomputes) const {
    const ChosenTargets chosen = chosen_targets(wanted);
    const Var logits = model.logits(tokens, chosen.rows, {.compute = block.values.dtype()}, recomputes);
    return scale(sum(cross_entropy(logits, chosen.targets)),
                 1.0 / static_cast<double>(chosen.rows.elements()));
  }
};

class TokenClassifierParity : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenClassifierParity, LogitsOfRealTokensEqualTransformers) {
  const GoldenTokens c(GetParam(), DType::f32);
  const RaggedBatch ragged = without_padding(c.input);
  const Tensor received = c.model.logits(ragged.input, all_rows(ragged.input), {}).value();
  const Tensor expected = c.file.read("logits");
  const int64_t classes = expected.dim(2);
  const std::vector<double> all = expected.to_doubles();
  std::vector<float> real;
  for (const int64_t place : ragged.places) {
    for (int64_t k = 0; k < classes; ++k)
      real.push_back(static_cast<float>(all[static_cast<size_t>(place * classes + k)]));
  }
  EXPECT_TRUE(
      compare(received, Tensor::from(received.shape(), real), tolerance_of(DType::f32, Compared::model)));
}

TEST_P(TokenClassifierParity, LossAndEveryGradientEqualTransformers) {
  for (const bool recomputes : {false, true}) {
    for (const bool padded : {false, true}) {
      const GoldenTokens c(GetParam(), DType::f64);
      const RaggedBatch ragged = without_padding(c.input);
      const Var loss = padded ? c.loss(c.input, c.targets, recomputes)
                              : c.loss(ragged.input, ragged.of(c.targets), recomputes);
      backward(loss);
      EXPECT_NEAR(loss.value().item(), c.file.read("loss").to_doubles()[0], 1e-6);
      expect_golden_gradients(c.file, c.block);
    }
  }
}

TEST_P(TokenClassifierParity, NoParameterIsLeftOver) {
  const GoldenTokens c(GetParam(), DType::f32);
  size_t gradients = 0;
  for (const std::string& name : c.file.names()) gradients += name.starts_with("grad.");
  EXPECT_EQ(gradients, c.block.parameters.size());
}

INSTANTIATE_TEST_SUITE_P(Models, TokenClassifierParity,
                         ::testing::Values("token_classifier_roberta", "token_classifier_longformer"));

// Dropout before the head draws the bits of every token, so that which of them are told changes no bit.
TEST(TokenClassifier, WhatIsDroppedDoesNotDependOnWhatIsTold) {
  const GoldenTokens c("token_classifier_roberta", DType::f32);
  TokenClassifier model = c.model;
  model.drop = 0.5;
  const EncoderInput ragged = without_padding(c.input).input;
  const Pass pass{.training = true, .seed = 4};
  const Tensor all = model.logits(ragged, all_rows(ragged), pass).value();
  const Tensor some = model.logits(ragged, Tensor::from({2}, std::vector<int32_t>{7, 3}), pass).value();
  EXPECT_CLOSE(some.slice(0, 1), all.slice(7, 8), 1e-6);
  EXPECT_CLOSE(some.slice(1, 2), all.slice(3, 4), 1e-6);
  EXPECT_FALSE(compare(model.logits(ragged, all_rows(ragged), {}).value(), all, 1e-3));
}

TEST(TokenClassifier, OneClassIsAnError) {
  EXPECT_ERROR_TEXT(TokenClassifier({.width = 8, .heads = 2}, 1),
                    "token classifier: 1 classes; there must be two or more");
}

}  // namespace
}  // namespace lf
