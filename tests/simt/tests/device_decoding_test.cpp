// Writing text on the device: the choice of a token and the attention to a cache are the CPU's.
#include <gtest/gtest.h>

#include <cmath>
#include <iterator>

#include "layers/char_lm_decoder.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "tests/tiny_model.h"
#include "trainers/generation/sampling.h"
#include "trainers/generation/source_texts.h"

namespace lf {
namespace {

struct Choice {
  int32_t id;
  double log_probability;
};

Choice choose(const Tensor& logits, const kernels::Sampling& settings, double uniform, Device device) {
  Tensor id = Tensor::empty({1}, DType::i32, device),
         log_probability = Tensor::empty({1}, DType::f32, device);
  kernels::sample(settings, uniform, logits.to(device), id, log_probability);
  return {id.to(Device::cpu).data<int32_t>()[0], log_probability.item()};
}

void expect_same_choices(const Tensor& logits, const kernels::Sampling& settings) {
  for (const double uniform : {1e-7, 0.37, 0.72, 0.9999999}) {
    const Choice there = choose(logits, settings, uniform, Device::cuda),
                 here = choose(logits, settings, uniform, Device::cpu);
    ASSERT_EQ(there.id, here.id) << logits.shape() << " at " << uniform;
    ASSERT_NEAR(there.log_probability, here.log_probability, 1e-5 * std::abs(here.log_probability) + 1e-6);
  }
}

TEST(DeviceSampling, ChoosesAsTheCpuDoes) {
  for (const int64_t V : {1, 33, 205, 600}) {
    const Tensor logits = random_tensor({V}, DType::f32, static_cast<uint32_t>(V), 3.0);
    for (const kernels::Sampling& settings :
         {kernels::Sampling{}, kernels::Sampling{.do_sample = false}, kernels::Sampling{.temperature = 0.3},
          kernels::Sampling{.top_k = 1}, kernels::Sampling{.top_k = 5}, kernels::Sampling{.top_k = 10'000},
          kernels::Sampling{.top_p = 0.8}, kernels::Sampling{.top_p = 1e-9},
          kernels::Sampling{.temperature = 2, .top_k = 20, .top_p = 0.5}}) {
      expect_same_choices(logits, settings);
    }
  }
}

// bf16 logits of a large vocabulary are full of equals; zeros have two signs.
TEST(DeviceSampling, OfEqualsTakesTheFirst) {
  const Tensor logits = Tensor::from({9}, std::vector<float>{1, 3, 3, -2, 3, -0.0f, 0.0f, 1, 3});
  expect_same_choices(logits, {.do_sample = false});
  for (const int64_t k : {1, 2, 4, 6, 7}) expect_same_choices(logits, {.top_k = k});
  for (const double p : {0.2, 0.5, 0.95}) expect_same_choices(logits, {.top_p = p});
}

TEST(DeviceSampling, ShowsWhatIsNotFinite) {
  for (const float sign : {1.0f, -1.0f}) {
    Tensor logits = random_tensor({40}, DType::f32, 1);
    logits.data<float>()[7] = std::copysign(std::nanf(""), sign);
    EXPECT_TRUE(std::isnan(choose(logits, {}, 0.5, Device::cuda).log_probability));
  }
}

struct Written {
  Generated text;
  std::vector<Tensor> logits;
};

// A prompt longer than any window, then text; weights far from their small starting values.
Written write(Device device, bool relative, const std::vector<LayerPattern>& layers, int64_t head_width) {
  CharLM model({.vocabulary = 13,
                .layers = static_cast<int64_t>(layers.size()),
                .width = 24,
                .heads = 2,
                .head_width = head_width,
                .feed_forward = 32,
                .relative_positions = relative});
  const ParameterBlock block = pack(model, DType::f32, device);
  initialise(model, block, 0.4, 11);
  const CharLMPattern pattern{.layers = layers};
  Written result;
  CharLMDecoder decoder(model, pattern);
  for (const int32_t id : {1, 5, 12, 3, 3, 0, 7, 8, 2, 11, 4, 9, 10, 6, 1, 2, 5, 5, 9, 0})
    result.logits.push_back(decoder.next(Tensor::from({1}, std::vector{id})).to(Device::cpu));
  result.text = generate(decoder, {4}, {.max_new_tokens = 12, .temperature = 1.3, .top_p = 0.95});
  return result;
}

void expect_same_text(bool relative, const std::vector<LayerPattern>& layers, int64_t head_width) {
  const Written there = write(Device::cuda, relative, layers, head_width),
                here = write(Device::cpu, relative, layers, head_width);
  for (size_t i = 0; i < here.logits.size(); ++i)
    EXPECT_CLOSE(there.logits[i], here.logits[i], tolerance_of(DType::f32, Compared::decoding)) << i;
  EXPECT_EQ(there.text.ids, here.text.ids);
  EXPECT_NEAR(there.text.score, here.text.score, tolerance_of(DType::f32, Compared::decoding));
}

TEST(DeviceDecoding, WritesWhatTheCpuWrites) {
  expect_same_text(true, {{4, {}}, {6, {}}}, 8);
  expect_same_text(true, {{4, {1, 3}}, {3, {2, 1}}}, 40);
  expect_same_text(false, {{5, {1, 2}}, {50, {}}}, 33);
}

TEST(DeviceDecoding, OfLongWindows) { expect_same_text(true, {{700, {1, 2}}}, 32); }

// Rows of several lengths that share the places of what they have in common.
TEST(DeviceBeams, SeeTheirOwnTokensAsOnTheCpu) {
  const kernels::CachedRows rows{
      .table = Tensor::from({4, 5}, std::vector<int32_t>{0, 4, 8, 0, 0, 0, 4, 9,  0,  0,  //
                                                         2, 0, 0, 0, 0, 3, 7, 11, 15, 19}),
      .unused = Tensor::from({4}, std::vector<int32_t>{2, 2, 4, 0})};
  for (const int64_t K : {8, 40}) {
    const Shape row{4, 3, K}, cache{20, 3, K};
    const auto context = [&](Device device) {
      const auto there = [&](const Shape& shape, uint32_t seed) {
        return random_tensor(shape, DType::f32, seed).to(device);
      };
      Tensor keys = there(cache, 1), values = there(cache, 2), y = Tensor::empty(row, DType::f32, device);
      const kernels::CachedRows moved{rows.table.to(device), rows.unused.to(device)};
      kernels::beam_attention(moved, there(row, 3), there(row, 4), there(row, 5), keys, values, y);
      EXPECT_EQ(keys.to(Device::cpu).slice(9, 10).to_doubles(),
                random_tensor(row, DType::f32, 4).slice(1, 2).to_doubles());
      return y.to(Device::cpu);
    };
    EXPECT_TRUE(compare(context(Device::cuda), context(Device::cpu), 1e-5)) << K;
  }
}

TEST(DeviceBeams, TextsAreThoseOfTheCpu) {
  const TemporaryFolder folder;
  const std::string path = write_tiny_seq2seq(folder / "model", "led");
  const auto texts = [&](Device device) {
    Seq2Seq model(seq2seq_shape(read_model_config(path)));
    const ParameterBlock block = pack(model, DType::f32, device);
    load_pretrained(path, kSeq2SeqNames, {}, block);
    GenerationSettings settings;
    settings.max_new_tokens = 7, settings.num_beams = 3, settings.num_return_sequences = 3;
    settings.end_ids = {2};
    std::vector<std::vector<int32_t>> result;
    int64_t next = 0;
    write_texts(
        model, settings, 6,
        [&]() -> std::optional<TextSource> {
          if (next == 3) return std::nullopt;
          TextSource source{.number = next, .prompt = {2}};
          std::vector<int32_t> ids(static_cast<size_t>(5 + 9 * next), static_cast<int32_t>(20 + next));
          for (size_t i = 0; i < ids.size(); ++i) ids[i] += static_cast<int32_t>(i * i % 200);
          source.input.ids = Tensor::from({std::ssize(ids)}, ids);
          source.input.offsets = {0, std::ssize(ids)};
          source.input.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 1}, {0}});
          ++next;
          return source;
        },
        [&](int64_t, const std::vector<WrittenText>& written) {
          for (const WrittenText& text : written) result.push_back(text.ids);
        });
    return result;
  };
  const auto expected = texts(Device::cpu);
  ASSERT_EQ(expected.size(), 9u);
  EXPECT_EQ(texts(Device::cuda), expected);
}

}  // namespace
}  // namespace lf
