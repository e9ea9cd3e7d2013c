// RoBERTa and Longformer with the masked-language-model head, against transformers: tiny random models whose
// gradients are all known (tests/reference/make_encoder_golden.py), and finite differences.
#include "layers/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "core/weights/safetensors.h"
#include "tests/layers/encoder_golden.h"
#include "tests/places.h"
#include "tests/testing.h"

namespace lf {
namespace {

// transformers' labels with -100 as this program's targets with -1.
Tensor to_targets(const Tensor& labels) {
  Tensor targets = to_i32(labels);
  int32_t* target = targets.data<int32_t>();
  for (int64_t i = 0; i < targets.elements(); ++i) target[i] = std::max(target[i], -1);
  return targets;
}

struct EncoderGolden {
  SafetensorsFile file;
  MaskedLM model;
  ParameterBlock block;
  EncoderInput input;
  Tensor targets;

  EncoderGolden(const std::string& name, DType dtype)
      : file(source_path("tests/golden/" + name + ".safetensors")),
        model(golden_shape(file)),
        block(pack(model, dtype)),
        input(golden_input(file)),
        targets(to_targets(file.read("labels"))) {
    read_parameters(file, block);
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
  EXPECT_TRUE(compare(c.real_rows(hidden.value()), c.real_rows(c.file.read("hidden")),
                      tolerance_of(DType::f32, Compared::model)));
  EXPECT_TRUE(compare(c.real_rows(c.model.logits(hidden).value()), c.real_rows(c.file.read("logits")),
                      tolerance_of(DType::f32, Compared::model)));
  EXPECT_NEAR(c.mean_loss(false, {}), c.file.read("loss").to_doubles()[0],
              tolerance_of(DType::f32, Compared::model));
}

TEST_P(EncoderParity, EveryGradientEqualsTransformers) {
  for (const bool recomputes : {false, true}) {
    EncoderGolden c(GetParam(), DType::f64);
    c.mean_loss(true, {.compute = DType::f64}, recomputes);
    expect_golden_gradients(c.file, c.block);
  }
}

// The batch without its padding: the same numbers of the tokens that are there.
TEST_P(EncoderParity, RaggedBatchesEqualTransformers) {
  EncoderGolden c(GetParam(), DType::f32);
  const RaggedBatch batch = without_padding(c.input);
  const Var hidden = c.model.encoder(batch.input, {});
  EXPECT_TRUE(
      compare(hidden.value(), batch.of(c.file.read("hidden")), tolerance_of(DType::f32, Compared::model)));
  EXPECT_TRUE(compare(c.model.logits(hidden).value(), batch.of(c.file.read("logits")),
                      tolerance_of(DType::f32, Compared::model)));
  for (const bool recomputes : {false, true}) {
    EncoderGolden wide(GetParam(), DType::f64);
    wide.targets = batch.of(wide.targets), wide.input = batch.input;
    EXPECT_NEAR(wide.mean_loss(true, {.compute = DType::f64}, recomputes),
                c.file.read("loss").to_doubles()[0], tolerance_of(DType::f32, Compared::model));
    expect_golden_gradients(wide.file, wide.block);
  }
}

// What a sequence gives does not depend on its batch-mates: where AVX-512 is missing, oneDNN multiplies few
// rows in another order than many, which is all that may differ.
TEST_P(EncoderParity, SequencesAloneEqualTheBatch) {
  const EncoderGolden c(GetParam(), DType::f32);
  const EncoderInput batch = without_padding(c.input).input;
  const Tensor all = c.model.encoder(batch, {}).value();
  for (int64_t b = 0; b + 1 < std::ssize(batch.offsets); ++b) {
    const Tensor alone = c.model.encoder(sequence_of(batch, b), {}).value();
    const auto i = static_cast<size_t>(b);
    EXPECT_TRUE(compare(alone, all.slice(batch.offsets[i], batch.offsets[i + 1]),
                        tolerance_of(DType::f32, Compared::neighbours)));
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
  EXPECT_EQ(positions_of(ids, {0, 4, 8}, 1).to_doubles(), (std::vector<double>{2, 3, 1, 4, 1, 1, 2, 1}));
  EXPECT_EQ(positions_of(ids.view({8}), {0, 1, 7, 8}, 1).to_doubles(),
            (std::vector<double>{2, 2, 1, 3, 1, 1, 4, 1}));
}

TEST(Encoder, NamesOfBlocksAreData) {
  EncoderShape shape;
  EncoderLayer layer(shape, kBartBlock);
  std::vector<std::string> names;
  for_each_parameter(layer, [&](const std::string& name, Parameter&) { names.push_back(name); });
  EXPECT_EQ(names, (std::vector<std::string>{
                       "self_attn.q_proj.weight", "self_attn.q_proj.bias", "self_attn.k_proj.weight",
                       "self_attn.k_proj.bias", "self_attn.v_proj.weight", "self_attn.v_proj.bias",
                       "self_attn.out_proj.weight", "self_attn.out_proj.bias", "self_attn_layer_norm.weight",
                       "self_attn_layer_norm.bias", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
                       "final_layer_norm.weight", "final_layer_norm.bias"}));
}

TEST(Encoder, InputsThatDoNotFitAreNamed) {
  EncoderGolden c("encoder_roberta", DType::f32);
  EncoderInput input{.ids = Tensor::zeros({1, 63}, DType::i32)};
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "a sequence of 63 tokens, but the model has 62 positions");
  input.ids = Tensor::from({1, 2}, std::vector<int32_t>{0, 53});
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "id 53 at position 1 is outside the table's 53 rows");
  input.ids = Tensor::zeros({1, 2}, DType::i32);
  input.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 1}, {0}});
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "RoBERTa has no global attention");
  input = {.ids = Tensor::zeros({5}, DType::i32), .offsets = {0, 2, 2, 5}};
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "encoder: sequence 1 has no tokens");
  input.offsets = {0, 2, 4};
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "must go from 0 to the number of ids, 5");
  input.ids = Tensor::zeros({1, 5}, DType::i32);
  EXPECT_ERROR_TEXT(c.model.encoder(input, {}), "encoder: ids are (1, 5), needed (N)");
  EncoderShape odd;
  odd.windows.assign(12, 5);
  EXPECT_ERROR_TEXT(Encoder{odd}, "an attention window of 5; it must be even and positive");
}

}  // namespace
}  // namespace lf
