// CharLM against the independent PyTorch model in tests/reference/char_lm.py, and against its own finite
// differences.
#include "layers/char_lm.h"
#include "core/kernels/convert.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/kernels/kernels.h"
#include "core/weights/safetensors.h"
#include "tests/places.h"
#include "tests/testing.h"
#include "trainers/optimizer/optimizer.h"

namespace lf {
namespace {

// A golden case: the model with the file's parameters, its pattern, inputs and targets.
struct GoldenCase {
  SafetensorsFile file;
  CharLM model;
  ParameterBlock block;
  CharLMPattern pattern;
  Tensor ids, targets;

  GoldenCase(const std::string& name, DType dtype)
      : file(source_path("tests/golden/" + name + ".safetensors")),
        model(shape_of(file)),
        block(pack(model, dtype)),
        ids(to_i32(file.read("ids"))),
        targets(to_i32(file.read("targets"))) {
    for (const PackedParameter& p : block.parameters)
      block.value(p).copy_from(cast(file.read(p.name), dtype));
    const std::vector<double> windows = file.read("config.windows").to_doubles();
    const std::vector<double> dilations = file.read("config.dilations").to_doubles();
    const size_t heads = dilations.size() / windows.size();
    for (size_t i = 0; i < windows.size(); ++i) {
      LayerPattern layer{.window = static_cast<int64_t>(windows[i])};
      for (size_t h = 0; h < heads; ++h)
        layer.dilation.push_back(static_cast<int32_t>(dilations[i * heads + h]));
      pattern.layers.push_back(layer);
    }
  }

  static Tensor to_i32(const Tensor& x) {
    std::vector<int32_t> values;
    for (const double v : x.to_doubles()) values.push_back(static_cast<int32_t>(v));
    return Tensor::from(x.shape(), values);
  }

  static CharLMShape shape_of(const SafetensorsFile& file) {
    const Shape u = file.info("position_u").shape, embedding = file.info("embedding.weight").shape;
    return {.vocabulary = embedding[0],
            .layers = file.info("config.windows").shape[0],
            .width = embedding[1],
            .heads = u[0],
            .head_width = u[1],
            .feed_forward = file.info("layers.0.feed_forward.up.weight").shape[0],
            .dropout = 0};
  }

  // Mean loss; with `gradients`, adds its gradient to the block.
  double loss(bool gradients, DType dtype) {
    const Pass pass{.compute = dtype};
    const Var mean =
        scale(sum(model.losses(ids, targets, pattern, pass)), 1.0 / static_cast<double>(targets.elements()));
    if (gradients) backward(mean);
    return mean.value().item();
  }
};

class CharLMGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(CharLMGolden, LossLogitsAndEveryGradientEqualPyTorch) {
  GoldenCase c(GetParam(), DType::f32);
  const Var logits = c.model.logits(c.ids, c.pattern, {});
  EXPECT_TRUE(compare(logits.value(), c.file.read("logits"), tolerance_of(DType::f32, Compared::model)));
  EXPECT_NEAR(c.loss(true, DType::f32), c.file.read("loss").to_doubles()[0],
              tolerance_of(DType::f32, Compared::model));
  for (const PackedParameter& p : c.block.parameters) {
    EXPECT_TRUE(compare(c.block.gradient(p), c.file.read("grad." + p.name),
                        tolerance_of(DType::f32, Compared::model)))
        << p.name;
  }
}

TEST_P(CharLMGolden, TenAdamWStepsEqualPyTorch) {
  GoldenCase c(GetParam(), DType::f32);
  const std::vector<double> losses = c.file.read("adamw.losses").to_doubles();
  const std::vector<double> norms = c.file.read("adamw.grad_norms").to_doubles();
  OptimizerSection settings;
  settings.weight_decay = 0.01;
  settings.clip = 0.25;
  Optimizer optimizer(c.block, settings);
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(c.loss(true, DType::f32), losses[i], tolerance_of(DType::f32, Compared::updates))
        << "step " << i;
    const double norm = optimizer.gradient_norm();
    EXPECT_NEAR(norm, norms[i], 1e-4 * norms[i]) << "step " << i;
    optimizer.step(1e-3, norm);
  }
  EXPECT_NEAR(c.loss(false, DType::f32), c.file.read("adamw.final_loss").to_doubles()[0],
              tolerance_of(DType::f32, Compared::updates));
}

// Central differences of the whole model in float64, for a sample of the values of every parameter.
TEST_P(CharLMGolden, GradientsAreFiniteDifferences) {
  GoldenCase c(GetParam(), DType::f64);
  c.loss(true, DType::f64);
  const double h = 1e-5;
  double largest = 0, worst = 0;
  for (const PackedParameter& p : c.block.parameters) {
    double* value = c.block.value(p).data<double>();
    const std::vector<double> gradient = c.block.gradient(p).to_doubles();
    const int64_t stride = std::max<int64_t>(1, p.shape.elements() / 4);
    for (int64_t i = stride / 2; i < p.shape.elements(); i += stride) {
      const double before = value[i];
      value[i] = before + h;
      const double up = c.loss(false, DType::f64);
      value[i] = before - h;
      const double down = c.loss(false, DType::f64);
      value[i] = before;
      const double numeric = (up - down) / (2 * h), analytic = gradient[static_cast<size_t>(i)];
      largest = std::max(largest, std::abs(analytic));
      const double error =
          std::abs(numeric - analytic) / std::max(1.0, std::abs(numeric) + std::abs(analytic));
      worst = std::max(worst, error);
      EXPECT_LT(error, 1e-6) << p.name << " element " << i << ": expected " << numeric << ", got "
                             << analytic;
    }
  }
  EXPECT_GT(largest, 1e-3) << "the check is vacuous";
}

INSTANTIATE_TEST_SUITE_P(Cases, CharLMGolden,
                         ::testing::Values("char_lm_plain", "char_lm_dilated", "char_lm_short"),
                         [](const auto& param) { return std::string(param.param); });

CharLM paper_model(int64_t layers) {
  return CharLM({.vocabulary = 205,
                 .layers = layers,
                 .width = 512,
                 .heads = 8,
                 .head_width = 64,
                 .feed_forward = 2048});
}

TEST(CharLM, HasThePapersNumberOfParameters) {
  CharLM small = paper_model(12), large = paper_model(30);
  EXPECT_EQ(count_parameters(small), 41'055'949);   // 41M in the paper's Table 2
  EXPECT_EQ(count_parameters(large), 102'480'589);  // 102M in Table 3
}

struct TinyRun {
  CharLM model{{.vocabulary = 11,
                .layers = 2,
                .width = 16,
                .heads = 2,
                .head_width = 8,
                .feed_forward = 32,
                .dropout = 0.3}};
  ParameterBlock block = pack(model);
  CharLMPattern pattern{.layers = {{4, {}}, {6, {1, 2}}}};
  Tensor ids = Tensor::zeros({2, 20}, DType::i32), targets = Tensor::zeros({2, 20}, DType::i32);

  TinyRun() {
    initialise(model, block, 0.2, 7);
    for (int32_t i = 0; i < 40; ++i)
      ids.data<int32_t>()[i] = i * 7 % 11, targets.data<int32_t>()[i] = i * 3 % 11;
  }
  Tensor gradients(const Pass& pass) {
    block.gradients.fill_zero();
    backward(sum(model.losses(ids, targets, pattern, pass)));
    return block.gradients.clone();
  }
};

TEST(CharLM, RecomputationChangesNoBit) {
  TinyRun run;
  const Pass pass{.training = true, .seed = 3, .step = 5};
  const Tensor plain = run.gradients(pass);
  run.pattern.recompute = true;
  EXPECT_TRUE(same_bits(run.gradients(pass), plain));
}

TEST(CharLM, DropoutDependsOnSeedAndStepOnly) {
  TinyRun run;
  const Tensor first = run.gradients({.training = true, .seed = 3, .step = 5});
  EXPECT_TRUE(same_bits(run.gradients({.training = true, .seed = 3, .step = 5}), first));
  EXPECT_FALSE(same_bits(run.gradients({.training = true, .seed = 3, .step = 6}), first));
  EXPECT_FALSE(same_bits(run.gradients({.training = true, .seed = 4, .step = 5}), first));
}

TEST(CharLM, InitialisationDependsOnSeedAndNameOnly) {
  TinyRun a;
  CharLM deeper(
      {.vocabulary = 11, .layers = 3, .width = 16, .heads = 2, .head_width = 8, .feed_forward = 32});
  ParameterBlock block = pack(deeper);
  initialise(deeper, block, 0.2, 7);
  EXPECT_TRUE(
      same_bits(deeper.layers[1].attention.qkv.weight.value, a.model.layers[1].attention.qkv.weight.value));
  initialise(deeper, block, 0.2, 8);
  EXPECT_FALSE(
      same_bits(deeper.layers[1].attention.qkv.weight.value, a.model.layers[1].attention.qkv.weight.value));
}

TEST(CharLM, Bf16FollowsF32) {
  TinyRun run;
  const double exact = sum(run.model.losses(run.ids, run.targets, run.pattern, {})).value().item();
  const double rough =
      sum(run.model.losses(run.ids, run.targets, run.pattern, {.compute = DType::bf16})).value().item();
  EXPECT_NEAR(rough, exact, 0.02 * exact);
  EXPECT_NE(rough, exact);
}

TEST(CharLM, RefusesPatternsOfAnotherDepth) {
  TinyRun run;
  run.pattern.layers.pop_back();
  EXPECT_THROW(run.model.logits(run.ids, run.pattern, {}), Error);
}

}  // namespace
}  // namespace lf
