// The decoder against the whole model, and the choice of the next token.
#include "trainers/generation/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "layers/char_lm_decoder.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

constexpr int64_t kVocabulary = 13;

struct Variant {
  const char* name;
  bool relative, final_norm;
  std::vector<LayerPattern> layers;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

// Weights far from their small starting values, so that positions and windows show in the logits.
struct Model {
  CharLM model;
  ParameterBlock block;
  CharLMPattern pattern;

  explicit Model(const Variant& v)
      : model({.vocabulary = kVocabulary,
               .layers = static_cast<int64_t>(v.layers.size()),
               .width = 24,
               .heads = 2,
               .head_width = 8,
               .feed_forward = 32,
               .relative_positions = v.relative,
               .final_layer_norm = v.final_norm}),
        block(pack(model)),
        pattern{.layers = v.layers} {
    initialise(model, block, 0.4, 11);
  }
};

Tensor some_ids(int64_t count) {
  Tensor ids = Tensor::empty({1, count}, DType::i32);
  for (int64_t i = 0; i < count; ++i) {
    ids.data<int32_t>()[i] =
        static_cast<int32_t>(uniform(RandomKey{5, 0, 0}, static_cast<uint64_t>(i)) * kVocabulary);
  }
  return ids;
}

class DecoderVariants : public ::testing::TestWithParam<Variant> {};

TEST_P(DecoderVariants, LogitsEqualTheWholeSequenceAtEveryPosition) {
  const Model m(GetParam());
  constexpr int64_t kTokens = 40;  // more than any window reaches, so that slots are used again
  const Tensor ids = some_ids(kTokens);
  const NoGrad no_grad;
  const Tensor whole = m.model.logits(ids, m.pattern, {}).value();
  CharLMDecoder decoder(m.model, m.pattern);
  for (int64_t t = 0; t < kTokens; ++t) {
    const Tensor logits = decoder.next(Tensor::from({1}, std::vector{ids.data<int32_t>()[t]}));
    ASSERT_EQ(logits.shape(), (Shape{1, kVocabulary}));
    EXPECT_EQ(decoder.tokens(), t + 1);
    for (int64_t v = 0; v < kVocabulary; ++v) {
      ASSERT_NEAR(logits.data<float>()[v], whole.data<float>()[t * kVocabulary + v], 1e-4)
          << "position " << t << ", symbol " << v;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Variants, DecoderVariants,
    ::testing::Values(Variant{"Relative", true, false, {{4, {}}, {6, {}}}},
                      Variant{"RelativeDilated", true, false, {{4, {1, 3}}, {3, {2, 1}}}},
                      Variant{"NoPositions", false, false, {{5, {}}, {7, {}}}},
                      Variant{"NoPositionsDilated", false, true, {{4, {1, 2}}, {5, {3, 1}}}},
                      Variant{"FinalNorm", true, true, {{2, {}}, {9, {1, 2}}}},
                      Variant{"WindowBeyondTheText", true, true, {{50, {}}, {60, {1, 2}}}}),
    [](const auto& param) { return std::string(param.param.name); });

const std::vector<float> kLogits = {0.0f, std::log(4.0f), std::log(2.0f), std::log(3.0f), -30.0f};

int32_t choose_token(const std::vector<float>& logits, const kernels::Sampling& settings, double uniform) {
  Tensor id = Tensor::empty({1}, DType::i32), log_probability = Tensor::empty({1}, DType::f32);
  const auto V = static_cast<int64_t>(logits.size());
  kernels::sample(settings, uniform, Tensor::from({V}, logits), id, log_probability);
  return *id.data<int32_t>();
}

// Frequencies of the choices for uniform numbers spread evenly over (0, 1).
std::vector<double> frequencies(const kernels::Sampling& settings,
                                const std::vector<float>& logits = kLogits) {
  constexpr int kDraws = 100000;
  std::vector<double> counts(logits.size());
  for (int i = 0; i < kDraws; ++i)
    counts[static_cast<size_t>(choose_token(logits, settings, (i + 0.5) / kDraws))] += 1.0 / kDraws;
  return counts;
}

void expect_near(const std::vector<double>& received, const std::vector<double>& expected) {
  ASSERT_EQ(received.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(received[i], expected[i], 1e-4) << "symbol " << i;
}

TEST(ChooseToken, FollowsTheModel) { expect_near(frequencies({}), {0.1, 0.4, 0.2, 0.3, 0}); }

TEST(ChooseToken, TemperatureRaisesProbabilitiesToItsInverse) {
  expect_near(frequencies({.temperature = 0.5}), {1 / 30.0, 16 / 30.0, 4 / 30.0, 9 / 30.0, 0});
  expect_near(frequencies({.temperature = 1e-3}), {0, 1, 0, 0, 0});
}

TEST(ChooseToken, TopKKeepsTheMostLikely) {
  expect_near(frequencies({.top_k = 2}), {0, 4 / 7.0, 0, 3 / 7.0, 0});
  expect_near(frequencies({.top_k = 1}), {0, 1, 0, 0, 0});
  expect_near(frequencies({.top_k = 100}), {0.1, 0.4, 0.2, 0.3, 0});
}

TEST(ChooseToken, TopPKeepsWhatSumsUpToIt) {
  expect_near(frequencies({.top_p = 0.39}), {0, 1, 0, 0, 0});
  expect_near(frequencies({.top_p = 0.41}), {0, 4 / 7.0, 0, 3 / 7.0, 0});
  expect_near(frequencies({.top_p = 0.85}), {0, 4 / 9.0, 2 / 9.0, 3 / 9.0, 0});
  expect_near(frequencies({.top_p = 1e-9}), {0, 1, 0, 0, 0});
}

TEST(ChooseToken, TopPComesAfterTopK) {
  // Of the two that top_k keeps, the first alone has 4/7 of the probability.
  expect_near(frequencies({.top_k = 2, .top_p = 0.55}), {0, 1, 0, 0, 0});
}

TEST(ChooseToken, GreedyTakesTheFirstOfTheLargest) {
  for (const double uniform : {0.001, 0.999}) {
    EXPECT_EQ(choose_token(kLogits, {.do_sample = false}, uniform), 1);
    EXPECT_EQ(choose_token({2, 7, 7, 1}, {.do_sample = false}, uniform), 1);
    EXPECT_EQ(choose_token({2, 7, 7, 1}, {.top_k = 1}, uniform), 1);
  }
}

TEST(ChooseToken, LargeLogitsDoNotOverflow) {
  expect_near(frequencies({}, {1000.0f, 1000.0f, -1000.0f}), {0.5, 0.5, 0});
  expect_near(frequencies({}, {-1000.0f, -1000.0f}), {0.5, 0.5});
}

const Variant kSmall{"Small", true, false, {{4, {}}, {6, {}}}};

TEST(Generate, IsAFunctionOfSeedRecordAndPrompt) {
  const Model m(kSmall);
  const auto ids = [&](uint64_t seed, uint64_t record) {
    CharLMDecoder decoder(m.model, m.pattern);
    return generate(decoder, {1, 2, 3}, {.max_new_tokens = 30, .temperature = 20, .seed = seed}, record).ids;
  };
  EXPECT_EQ(ids(1, 0).size(), 30u);
  EXPECT_EQ(ids(1, 0), ids(1, 0));
  EXPECT_NE(ids(1, 0), ids(2, 0));
  EXPECT_NE(ids(1, 0), ids(1, 1));
}

// The score is that of the written tokens under the model, whatever the settings that chose them.
TEST(Generate, ScoreIsTheMeanLogProbability) {
  const Model m(kSmall);
  CharLMDecoder decoder(m.model, m.pattern);
  const std::vector<int32_t> prompt = {1, 2, 3};
  const Generated result = generate(decoder, prompt, {.max_new_tokens = 12, .temperature = 0.7, .top_k = 5});
  std::vector<int32_t> all = prompt;
  all.insert(all.end(), result.ids.begin(), result.ids.end());
  const auto count = static_cast<int64_t>(all.size()) - 1;
  const Tensor inputs = Tensor::from(Shape{1, count}, std::vector<int32_t>(all.begin(), all.end() - 1));
  const Tensor targets = Tensor::from(Shape{1, count}, std::vector<int32_t>(all.begin() + 1, all.end()));
  const NoGrad no_grad;
  const std::vector<double> losses = m.model.losses(inputs, targets, m.pattern, {}).value().to_doubles();
  double expected = 0;
  for (size_t i = prompt.size() - 1; i < losses.size(); ++i) expected -= losses[i] / 12;
  EXPECT_NEAR(result.score, expected, 1e-4);
}

TEST(Generate, GreedyIsTheLargestLogitOfTheWholeModel) {
  const Model m(kSmall);
  CharLMDecoder decoder(m.model, m.pattern);
  const std::vector<int32_t> written = generate(decoder, {4}, {.max_new_tokens = 10, .do_sample = false}).ids;
  std::vector<int32_t> all = {4};
  const NoGrad no_grad;
  for (const int32_t id : written) {
    const auto count = static_cast<int64_t>(all.size());
    const std::vector<double> logits =
        m.model.logits(Tensor::from(Shape{1, count}, all), m.pattern, {}).value().to_doubles();
    const auto best = std::max_element(logits.end() - kVocabulary, logits.end());
    EXPECT_EQ(id, best - (logits.end() - kVocabulary));
    all.push_back(id);
  }
}

TEST(Generate, RefusesAModelWhoseProbabilitiesAreNotFinite) {
  Model m(kSmall);
  m.block.values.data<float>()[3] = std::nanf("");
  CharLMDecoder decoder(m.model, m.pattern);
  EXPECT_ERROR(generate(decoder, {1}, {.max_new_tokens = 2}), "probabilities are not finite");
}

TEST(Generate, NamesTheSettingThatIsWrong) {
  const Model m(kSmall);
  CharLMDecoder decoder(m.model, m.pattern);
  EXPECT_ERROR(generate(decoder, {}, {}), "prompt is empty");
  EXPECT_ERROR(generate(decoder, {1}, {.max_new_tokens = 0}), "max_new_tokens is 0");
  EXPECT_ERROR(generate(decoder, {1}, {.temperature = 0}), "temperature is 0");
  EXPECT_ERROR(generate(decoder, {1}, {.temperature = -1}), "temperature is -1");
  EXPECT_ERROR(generate(decoder, {1}, {.temperature = NAN}), "temperature is nan");
  EXPECT_ERROR(generate(decoder, {1}, {.top_k = -1}), "top_k is -1");
  EXPECT_ERROR(generate(decoder, {1}, {.top_p = 0}), "top_p is 0");
  EXPECT_ERROR(generate(decoder, {1}, {.top_p = 1.5}), "top_p is 1.5");
  EXPECT_ERROR(generate(decoder, {static_cast<int32_t>(kVocabulary)}, {}), "13");
  EXPECT_ERROR(generate(decoder, {-1}, {}), "-1");
}

TEST(SamplingFromJson, ReadsHuggingFacesNames) {
  const SamplingSettings s = sampling_from_json(
      R"({"max_new_tokens": 7, "do_sample": false, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "seed": 8})",
      "g.json", {});
  EXPECT_EQ(s.max_new_tokens, 7);
  EXPECT_FALSE(s.do_sample);
  EXPECT_EQ(s.temperature, 0.5);
  EXPECT_EQ(s.top_k, 3);
  EXPECT_EQ(s.top_p, 0.9);
  EXPECT_EQ(s.seed, 8u);
  EXPECT_EQ(sampling_from_json("{}", "g.json", {.top_k = 4}).top_k, 4);
}

// A generation_config.json as transformers writes it.
TEST(SamplingFromJson, LeavesOutWhatChangesNothing) {
  const SamplingSettings s = sampling_from_json(
      R"({"_from_model_config": true, "bos_token_id": 0, "do_sample": true, "eos_token_id": [2], "num_beams": 1,)"
      R"("max_new_tokens": 12, "pad_token_id": 1, "temperature": 0.7, "top_k": 50, "top_p": 0.95,)"
      R"("repetition_penalty": 1.0, "min_length": 0, "early_stopping": false, "length_penalty": null,)"
      R"("transformers_version": "4.44.0"})",
      "g.json", {});
  EXPECT_EQ(s.max_new_tokens, 12);
  EXPECT_EQ(s.top_k, 50);
  const char* const nothing = R"({"temperature": null, "suppress_tokens": [], "guidance_scale": 1.0})";
  EXPECT_EQ(sampling_from_json(nothing, "g.json", {.temperature = 0.5}).temperature, 0.5);
  for (const char* other :
       {R"({"num_beams": 4})", R"({"repetition_penalty": 1.2})", R"({"no_repeat_ngram_size": 3})"})
    EXPECT_ERROR(sampling_from_json(other, "g.json", {}), "which may change the text");
}

TEST(SamplingFromJson, RefusesWhatItDoesNotKnow) {
  EXPECT_ERROR(sampling_from_json(R"({"top_q": 1})", "g.json", {}), "g.json: unknown key \"top_q\"");
  EXPECT_ERROR(sampling_from_json(R"({"top_k": "many"})", "g.json", {}),
               "g.json: top_k is \"many\"; needed a whole number");
  EXPECT_ERROR(sampling_from_json(R"({"top_k": 1.5})", "g.json", {}), "top_k");
  EXPECT_ERROR(sampling_from_json(R"({"seed": -1})", "g.json", {}),
               "g.json: seed is -1; needed a whole number of at least 0");
  EXPECT_ERROR(sampling_from_json(R"({"top_p": 2})", "g.json", {}), "g.json: top_p is 2; needed above 0");
  EXPECT_ERROR(sampling_from_json("[1]", "g.json", {}), "g.json: needed a JSON object");
  EXPECT_ERROR(sampling_from_json("{", "g.json", {}), "g.json:1:2: not valid JSON");
}

}  // namespace
}  // namespace lf
