// RoBERTa and Longformer with the masked-language-model head, against transformers: tiny random models whose
// gradients are all known (tests/reference/make_encoder_golden.py), and finite differences.
#include "layers/encoder.h"
#include "core/kernels/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "core/weights/safetensors.h"
#include "tests/places.h"
#include "tests/testing.h"

namespace lf {
namespace {

Tensor to_i32(const Tensor& x) {
  std::vector<int32_t> values;
  for (const double v : x.to_doubles()) values.push_back(static_cast<int32_t>(v));
  return Tensor::from(x.shape(), values);
}

// transformers' labels with -100 as this program's targets with -1.
Tensor to_targets(const Tensor& labels) {
  Tensor targets = to_i32(labels);
  int32_t* target = targets.data<int32_t>();
  for (int64_t i = 0; i < targets.elements(); ++i) target[i] = std::max(target[i], -1);
  return targets;
}

Tensor to_mask(const Tensor& mask) {
  std::vector<uint8_t> values;
  for (const double v : mask.to_doubles()) values.push_back(v != 0);
  return Tensor::from(mask.shape(), values);
}

// The places that are 1 in both: a padded token is not global.
std::shared_ptr<const GlobalTokens> global_tokens_of(const Tensor& global, const Tensor& mask) {
  auto tokens = std::make_shared<GlobalTokens>();
  const std::vector<double> g = global.to_doubles(), m = mask.to_doubles();
  for (int64_t b = 0; b < global.dim(0); ++b) {
    tokens->offsets.push_back(std::ssize(tokens->positions));
    for (int64_t t = 0; t < global.dim(1); ++t) {
      const auto i = static_cast<size_t>(b * global.dim(1) + t);
      if (g[i] != 0 && m[i] != 0) tokens->positions.push_back(t);
    }
  }
  tokens->offsets.push_back(std::ssize(tokens->positions));
  return tokens;
}

struct EncoderGolden {
  SafetensorsFile file;
  MaskedLM model;
  ParameterBlock block;
  EncoderInput input;
  Tensor targets;

  EncoderGolden(const std::string& name, DType dtype)
      : file(source_path("tests/golden/" + name + ".safetensors")),
        model(shape_of(file)),
        block(pack(model, dtype)),
        targets(to_targets(file.read("labels"))) {
    for (const PackedParameter& p : block.parameters)
      block.value(p).copy_from(cast(file.read(p.name), dtype));
    input.ids = to_i32(file.read("ids"));
    input.mask = to_mask(file.read("mask"));
    input.global_tokens = global_tokens_of(file.read("global"), file.read("mask"));
  }

  static EncoderShape shape_of(const SafetensorsFile& file) {
    EncoderShape shape;
    for (const double w : file.read("config.windows").to_doubles())
      shape.windows.push_back(static_cast<int64_t>(w));
    const std::string prefix = shape.windows.empty() ? "roberta." : "longformer.";
    const Shape words = file.info(prefix + "embeddings.word_embeddings.weight").shape;
    shape.vocabulary = words[0], shape.width = words[1], shape.heads = 4;
    shape.layers = 0;
    while (file.contains(text(prefix, "encoder.layer.", shape.layers, ".output.dense.bias"))) ++shape.layers;
    shape.feed_forward = file.info(prefix + "encoder.layer.0.intermediate.dense.bias").shape[0];
    shape.positions = file.info(prefix + "embeddings.position_embeddings.weight").shape[0];
    shape.dropout = shape.attention_dropout = 0;
    return shape;
  }

  double mean_loss(bool gradients, const Pass& pass, bool recomputes = false) {
    int64_t count = 0;
    for (int64_t i = 0; i < targets.elements(); ++i) count += targets.data<int32_t>()[i] >= 0;
    const Var mean =
        scale(sum(model.losses(input, targets, pass, recomputes)), 1.0 / static_cast<double>(count));
    if (gradients) backward(mean);
    return mean.value().item();
  }

  // Sets rows of padded tokens, of which RoBERTa's are undefined, to zero.
  Tensor real_rows(const Tensor& hidden) const {
    std::vector<double> values = hidden.to_doubles();
    const int64_t D = hidden.dim(-1);
    for (int64_t i = 0; i < input.mask.elements(); ++i) {
      if (!input.mask.data<uint8_t>()[i]) std::fill_n(values.begin() + i * D, D, 0.0);
    }
    return Tensor::from(hidden.shape(), values);
  }
};

class EncoderParity : public ::testing::TestWithParam<const char*> {};

TEST_P(EncoderParity, HiddenStatesLogitsAndLossEqualTransformers) {
  EncoderGolden c(GetParam(), DType::f32);
  const Var hidden = c.model.encoder(c.input, {});
  EXPECT_TRUE(compare(c.real_rows(hidden.value()), c.real_rows(c.file.read("hidden")), 1e-5));
  EXPECT_TRUE(compare(c.real_rows(c.model.logits(hidden).value()), c.real_rows(c.file.read("logits")), 1e-5));
  EXPECT_NEAR(c.mean_loss(false, {}), c.file.read("loss").to_doubles()[0], 1e-5);
}

TEST_P(EncoderParity, EveryGradientEqualsTransformers) {
  for (const bool recomputes : {false, true}) {
    EncoderGolden c(GetParam(), DType::f64);
    c.mean_loss(true, {.compute = DType::f64}, recomputes);
    double largest = 0;
    for (const PackedParameter& p : c.block.parameters) {
      for (const double g : c.file.read("grad." + p.name).to_doubles())
        largest = std::max(largest, std::abs(g));
    }
    ASSERT_GT(largest, 1e-3);
    for (const PackedParameter& p : c.block.parameters) {
      // Some gradients are zero but for rounding: key biases, global projections without global tokens.
      const std::vector<double> expected = c.file.read("grad." + p.name).to_doubles();
      const std::vector<double> received = c.block.gradient(p).to_doubles();
      double scale = 0, worst = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        scale = std::max(scale, std::abs(expected[i]));
        worst = std::max(worst, std::abs(expected[i] - received[i]));
      }
      EXPECT_LE(worst, 1e-5 * scale + 1e-9 * largest) << p.name << ", largest " << scale;
    }
  }
}

TEST_P(EncoderParity, NoParameterIsLeftOver) {
  const EncoderGolden c(GetParam(), DType::f32);
  size_t gradients = 0;
  for (const std::string& name : c.file.names()) gradients += name.starts_with("grad.");
  EXPECT_EQ(gradients, c.block.parameters.size());
}

INSTANTIATE_TEST_SUITE_P(Models, EncoderParity,
                         ::testing::Values("encoder_roberta", "encoder_longformer",
                                           "encoder_longformer_local"));

TEST(Encoder, PositionsCountIdsThatAreNotPadding) {
  const Tensor ids = Tensor::from({2, 4}, std::vector<int32_t>{0, 7, 1, 9, 1, 1, 5, 1});
  EXPECT_EQ(positions_of(ids, 1).to_doubles(), (std::vector<double>{2, 3, 1, 4, 1, 1, 2, 1}));
}

TEST(Encoder, InputsThatDoNotFitAreNamed) {
  EncoderGolden c("encoder_roberta", DType::f32);
  EncoderInput input{.ids = Tensor::zeros({1, 63}, DType::i32), .mask = {}, .global_tokens = nullptr};
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "a sequence of 63 tokens, but the model has 62 positions");
  input.ids = Tensor::from({1, 2}, std::vector<int32_t>{0, 53});
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "id 53 at position 1 is outside the table's 53 rows");
  input.ids = Tensor::zeros({1, 2}, DType::i32);
  input.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 1}, {0}});
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "RoBERTa has no global attention");
  EncoderShape odd;
  odd.windows.assign(12, 5);
  EXPECT_ERROR_TEXT(Encoder{odd}, "an attention window of 5; it must be even and positive");
}

}  // namespace
}  // namespace lf
