// Operations of an update, counted by hand, and what devices could do at most.
#include <gtest/gtest.h>

#include "tests/tiny_model.h"
#include "trainers/measure/device_peaks.h"
#include "trainers/tasks/char_lm_estimate.h"
#include "trainers/tasks/char_lm_task.h"
#include "trainers/tasks/masked_lm_estimate.h"

namespace lf {
namespace {

// Two layers of 8 and 20 keys before each of 64 tokens, one with a dilated head; 100 symbols.
TEST(TrainingFlops, OfACharacterModel) {
  CharLMShape shape{
      .vocabulary = 100, .layers = 2, .width = 32, .heads = 2, .head_width = 8, .feed_forward = 48};
  CharLMPattern pattern;
  pattern.layers = {{.window = 8, .dilation = {}}, {.window = 20, .dilation = {1, 2}}};
  Stage stage;
  stage.sequence_length = 64;
  stage.batch_size = 6;
  stage.micro_batch = 2;
  const double tokens = 6 * 64;
  // q, k, v and output 32 x 16 each, two of 32 x 48, logits 32 x 100; distances 0..8 and 0..40 by 32 x 16.
  const double products = 2 * tokens * (2 * (4 * 512 + 2 * 1536) + 3200), distances = 2 * 512 * (9 + 41);
  // Scores of content and of position and the context: 2 operations each for 16 numbers of 9 and 21 keys.
  const double attention = 6 * tokens * 16 * (9 + 21);
  EXPECT_DOUBLE_EQ(update_flops(shape, pattern, stage), 3 * (products + distances) + 3.5 * attention);
  stage.recompute = pattern.recompute = true;  // costs time, but the model needs no more than before
  EXPECT_DOUBLE_EQ(update_flops(shape, pattern, stage), 3 * (products + distances) + 3.5 * attention);
  shape.relative_positions = false;
  EXPECT_DOUBLE_EQ(update_flops(shape, pattern, stage), 3 * products + 3.5 * attention * 4 / 6);
}

// Windows of 8 and 12 keys on both sides together; every seventh token or so is a target.
TEST(TrainingFlops, OfAMaskedLanguageModel) {
  RunConfig config;
  config.masked_lm.probability = 0.15;
  const EncoderShape shape = encoder_shape({"config.json", tiny_config("longformer")});
  Stage stage;
  stage.sequence_length = 64;
  stage.batch_size = 4;
  const double tokens = 4 * 64, targets = 0.15 * tokens;
  const double products = 2 * tokens * 2 * (4 * 1024 + 2 * 32 * 48) + 2 * targets * (1024 + 341 * 32);
  const double attention = 4 * tokens * 32 * (9 + 13);
  EXPECT_DOUBLE_EQ(update_flops(config, shape, stage), 3 * products + 3.5 * attention);
  config.masked_lm.trained = TrainedChoice::new_positions;  // gradients pass through frozen weights
  EXPECT_DOUBLE_EQ(update_flops(config, shape, stage), 2 * products + 3.5 * attention);
}

TEST(DevicePeaks, AreThoseOfTheDriversNames) {
  const auto tflops = [](const char* name, DType dtype) {
    return published_peak(name, dtype).value() / 1e12;
  };
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H200", DType::bf16), 989.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H200 NVL", DType::bf16), 835.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H100 80GB HBM3", DType::bf16), 989.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H100 PCIe", DType::f32), 51);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA H100 NVL", DType::bf16), 835.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A100-SXM4-40GB", DType::bf16), 312);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A100 80GB PCIe", DType::f32), 19.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A100-PCIE-40GB", DType::f32), 19.5);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA A10", DType::bf16), 125);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA L40S", DType::bf16), 362.05);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA L4", DType::bf16), 121);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA GeForce RTX 3090", DType::bf16), 71);
  EXPECT_DOUBLE_EQ(tflops("NVIDIA GeForce RTX 4090", DType::bf16), 165.2);
}

// A wrong peak would be worse than none.
TEST(DevicePeaks, OfOtherDevicesAreNotGuessed) {
  for (const char* name : {"NVIDIA A10G", "NVIDIA A100X", "NVIDIA GeForce RTX 4090 Laptop GPU", "Tesla T4",
                           "NVIDIA GeForce RTX 4090 D", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "host executor",
                           "NVIDIA H20", "NVIDIA A40-24Q", "NVIDIA B200", ""})
    EXPECT_FALSE(published_peak(name, DType::bf16)) << name;
  EXPECT_FALSE(published_peak("NVIDIA H200", DType::f64));
  EXPECT_FALSE(peak_of(Device::cpu, DType::f32));
}

}  // namespace
}  // namespace lf
