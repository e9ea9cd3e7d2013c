// What transformers generates with small trained models (tests/reference/make_generation_golden.py), token
// for token, one source at a time and several together.
#include "trainers/generation/source_texts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/layers/encoder_golden.h"
#include "tests/places.h"
#include "tests/testing.h"
#include "trainers/generation/beam_search.h"
#include "trainers/huggingface/seq2seq_config.h"

namespace lf {
namespace {

using nlohmann::json;

class GeneratedTexts : public ::testing::TestWithParam<const char*> {
 protected:
  GeneratedTexts()
      : golden_(
            json::parse(std::ifstream(source_path(text("tests/golden/generation_", GetParam(), ".json"))))),
        model_(seq2seq_shape({"config.json", golden_.at("config")})),
        block_(pack(model_)) {
    const SafetensorsFile file(source_path(text("tests/golden/generation_", GetParam(), ".safetensors")));
    for (const PackedParameter& p : block_.parameters)
      if (file.contains(p.name)) block_.value(p).copy_from(file.read(p.name));
  }

  struct Case {
    json expected;
    GenerationSettings settings;
    std::string settings_text;
    TextSource source;
  };
  Case case_of(const json& written, int64_t number) const {
    Case one{.expected = written};
    json settings = written.at("settings");
    std::vector<int32_t> given;
    if (settings.contains("prompt")) given = settings.at("prompt").get<std::vector<int32_t>>();
    one.source.prompt = prompt_behind_start(model_.shape, given);
    settings.erase("prompt");
    one.settings_text = settings.dump();
    GenerationSettings defaults;
    defaults.end_ids = {model_.shape.end_id};
    one.settings = generation_from_json(one.settings_text, "case", defaults);
    const auto ids = written.at("ids").get<std::vector<int32_t>>();
    one.source.number = number;
    one.source.input.ids = Tensor::from({std::ssize(ids)}, ids);
    one.source.input.offsets = {0, std::ssize(ids)};
    if (!written.at("global").is_null()) {
      GlobalTokens tokens{{0}, written.at("global").get<std::vector<int64_t>>()};
      tokens.offsets.push_back(std::ssize(tokens.positions));
      one.source.input.global_tokens = std::make_shared<GlobalTokens>(tokens);
    }
    return one;
  }
  void expect_same(const Case& one, const std::vector<WrittenText>& texts) const {
    const auto expected = one.expected.at("output_ids").get<std::vector<std::vector<int32_t>>>();
    ASSERT_EQ(texts.size(), expected.size()) << one.expected;
    for (size_t n = 0; n < texts.size(); ++n) {
      std::vector<int32_t> padded = texts[n].ids;
      ASSERT_LE(padded.size(), expected[n].size()) << one.expected;
      padded.resize(expected[n].size(), model_.shape.encoder.padding_id);
      EXPECT_EQ(padded, expected[n]) << one.expected;
      if (one.expected.at("scores").is_null()) continue;
      const double score = one.expected.at("scores").at(n).get<double>();
      EXPECT_NEAR(texts[n].score, score, 1e-4 * std::max(1.0, std::abs(score))) << one.expected;
    }
  }

  json golden_;
  Seq2Seq model_;
  ParameterBlock block_;
};

TEST_P(GeneratedTexts, EqualTransformersTokenForToken) {
  ASSERT_GE(golden_.at("cases").size(), 90u);
  for (const json& written : golden_.at("cases")) {
    const Case one = case_of(written, 0);
    bool is_given = false;
    int answers = 0;
    write_texts(
        model_, one.settings, 1,
        [&]() { return std::exchange(is_given, true) ? std::nullopt : std::optional(one.source); },
        [&](int64_t, const std::vector<WrittenText>& texts) { ++answers, expect_same(one, texts); });
    EXPECT_EQ(answers, 1);
  }
}

// All cases of the same settings, three at a time: documents leave and others take their place.
TEST_P(GeneratedTexts, DoNotDependOnTheOthers) {
  std::map<std::string, std::vector<Case>> by_settings;
  std::map<std::string, json> sources;  // of other cases too, so that there are many
  for (const json& written : golden_.at("cases")) sources[written.at("ids").dump()] = written;
  for (const json& written : golden_.at("cases")) {
    const Case one = case_of(written, 0);
    if (!written.at("settings").contains("prompt")) by_settings[one.settings_text].push_back(one);
  }
  for (const auto& entry : by_settings) {
    const std::vector<Case>& cases = entry.second;
    std::vector<TextSource> queue;
    for (size_t n = 0; n < cases.size(); ++n)
      queue.push_back(cases[n].source), queue.back().number = static_cast<int64_t>(n);
    for (const auto& [ids, written] : sources) {
      if (queue.size() == 9) break;
      queue.insert(queue.begin(), case_of(written, -1).source);
    }
    const int64_t rows = 3 * std::max(cases[0].settings.num_beams, cases[0].settings.num_return_sequences);
    size_t next = 0, answers = 0;
    write_texts(
        model_, cases[0].settings, rows,
        [&]() { return next < queue.size() ? std::optional(queue[next++]) : std::nullopt; },
        [&](int64_t number, const std::vector<WrittenText>& texts) {
          ++answers;
          if (number >= 0) expect_same(cases[static_cast<size_t>(number)], texts);
        });
    EXPECT_EQ(answers, queue.size());
  }
}

// As many as may end beside those that go on.
TEST(BeamSearch, KeepsCandidatesForAllThatMayEnd) {
  GenerationSettings settings;
  settings.num_beams = 2;
  settings.end_ids = {2, 3, 4};
  BeamSearch search(settings, {0});
  std::vector<float> logits{0, 0, 9, 8, 7, 6, 5, 0, 0, 0, 0, 0, 9, 8, 7, 6, 5, 0, 0, 0};
  const std::vector<float> lse{9.5f, 9.5f};
  search.advance(logits.data(), lse.data(), 10);
  EXPECT_EQ(search.newest(), (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(search.parents(), (std::vector<int32_t>{0, 0}));
}

INSTANTIATE_TEST_SUITE_P(Models, GeneratedTexts, ::testing::Values("bart", "led"));

}  // namespace
}  // namespace lf
