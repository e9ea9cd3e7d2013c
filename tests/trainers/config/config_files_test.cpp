// The files in configs/ and docs/ are what the code says they are, and a printed configuration loads back.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <utility>

#include "core/check.h"
#include "core/choices.h"
#include "tests/places.h"
#include "tests/trainers/config/config_errors.h"
#include "trainers/config/load.h"
#include "trainers/config/outline.h"
#include "trainers/config/reference.h"
#include "trainers/config/stages.h"

namespace lf {
namespace {

const std::string kConfigs = source_path("configs/");

// A configuration with one stage.
RunConfig smallest_config() {
  return parse("stages: {list: [{sequence_length: 64, windows: 8, learning_rate: 0.1, steps: 1}]}");
}

std::vector<std::string> config_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kConfigs)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  }
  return files;
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(ConfigFiles, EveryOneLoadsSaysWhatItIsAndPrintsBack) {
  ASSERT_GE(config_files().size(), 10u);
  for (const std::string& path : config_files()) {
    SCOPED_TRACE(path);
    const RunConfig config = load_run_config(path);
    EXPECT_EQ(parse(to_yaml(config)), config);
    EXPECT_FALSE(resolved_stages(config).empty());
    EXPECT_EQ(contents(path).front(), '#');
    const bool of_the_paper = path.find("wik8_") != path.npos || path.find("ext8_") != path.npos ||
                              path.find("/ablations/") != path.npos;
    if (of_the_paper) {
      EXPECT_NE(contents(path).find("\n# Published: "), std::string::npos);
    }
  }
}

std::vector<int64_t> repeated(const std::vector<std::pair<int64_t, int>>& runs) {
  std::vector<int64_t> values;
  for (const auto& [value, count] : runs) values.insert(values.end(), static_cast<size_t>(count), value);
  return values;
}

struct ExpectedStage {
  int64_t length, bottom, top, batch, small_steps, large_steps, small_warmup, large_warmup;
  double rate;
};

// The schedule of the paper (Table 12), expanded by its doubling rule.
constexpr ExpectedStage kPaper[] = {{2048, 32, 512, 32, 430000, 350000, 10000, 10000, 2.5e-4},
                                    {4096, 64, 1024, 32, 50000, 25000, 5000, 2500, 1.25e-4},
                                    {8192, 128, 2048, 16, 50000, 10000, 5000, 1000, 6.25e-5},
                                    {16384, 256, 4096, 16, 35000, 5000, 3500, 500, 3.125e-5},
                                    {23040, 512, 8192, 16, 5000, 5000, 500, 500, 1.5625e-5}};

void expect_paper(const std::string& file, bool large, const std::vector<std::pair<int64_t, int>>& windows,
                  const std::vector<int64_t>& dilation) {
  SCOPED_TRACE(file);
  const RunConfig config = load_run_config(kConfigs + file);
  const std::vector<Stage> stages = resolved_stages(config);
  ASSERT_EQ(stages.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    SCOPED_TRACE(i);
    const ExpectedStage& expected = kPaper[i];
    std::vector<int64_t> scaled = repeated(windows);
    for (int64_t& window : scaled) window <<= i;
    EXPECT_EQ(stages[i].windows, scaled);
    EXPECT_EQ(stages[i].windows.front(), expected.bottom);
    EXPECT_EQ(stages[i].windows.back(), expected.top);
    EXPECT_EQ(stages[i].dilation, dilation);
    EXPECT_EQ(stages[i].dilated_heads, 2);
    EXPECT_EQ(stages[i].sequence_length, expected.length);
    EXPECT_EQ(stages[i].learning_rate, expected.rate);
    EXPECT_EQ(stages[i].batch_size, expected.batch);
    EXPECT_EQ(stages[i].steps, large ? expected.large_steps : expected.small_steps);
    EXPECT_EQ(warmup_steps(config.schedule, stages[i]),
              large ? expected.large_warmup : expected.small_warmup);
  }
  EXPECT_EQ(config.model.layers, large ? 30 : 12);
  EXPECT_EQ(config.model.width, 512);
  EXPECT_EQ(config.model.heads, 8);
  EXPECT_EQ(config.model.dropout, large ? 0.4 : 0.2);
  EXPECT_EQ(config.optimizer.weight_decay, 0.01);
  EXPECT_EQ(config.optimizer.clip, 0.25);
  EXPECT_EQ(config.evaluation, EvaluationSection{});
  EXPECT_EQ(config.evaluation.sequence_length, 63 * config.evaluation.step);
}

TEST(ConfigFiles, PaperSchedules) {
  const std::vector<std::pair<int64_t, int>> small{{32, 2}, {64, 2}, {128, 2}, {256, 3}, {512, 3}};
  const std::vector<std::pair<int64_t, int>> large{{32, 5}, {64, 5}, {128, 5}, {256, 7}, {512, 8}};
  for (const std::string corpus : {"enwik8", "text8"}) {
    expect_paper(corpus + "_small.yaml", false, small, repeated({{1, 6}, {2, 2}, {3, 2}, {4, 2}}));
    expect_paper(corpus + "_large.yaml", true, large, repeated({{1, 15}, {2, 5}, {3, 5}, {4, 5}}));
    EXPECT_EQ(choice_name(load_run_config(kConfigs + corpus + "_large.yaml").data.kind.value()), corpus);
  }
}

TEST(ConfigFiles, AblationsAreOnePhaseOfText8WithTheAverageWindow) {
  for (const std::string name :
       {"increasing_windows", "decreasing_windows", "fixed_window", "no_dilation", "dilation_two_heads"}) {
    SCOPED_TRACE(name);
    const RunConfig config = load_run_config(kConfigs + "ablations/" + name + ".yaml");
    const std::vector<Stage> stages = resolved_stages(config);
    ASSERT_EQ(stages.size(), 1u);
    EXPECT_EQ(stages[0].steps, 150000);
    EXPECT_EQ(stages[0].sequence_length, 2048);
    EXPECT_EQ(config.data.kind.value(), CorpusKind::text8);
    const auto& windows = stages[0].windows;
    EXPECT_NEAR(std::accumulate(windows.begin(), windows.end(), 0.0) / 12, 230, 1);
    EXPECT_EQ(windows.front() < windows.back(), name != "decreasing_windows" && name != "fixed_window");
    EXPECT_EQ(stages[0].dilation.back(), name == "dilation_two_heads" ? 4 : 1);
  }
}

TEST(ConfigPrinting, LoadsBackToAnEqualConfig) {
  RunConfig config = smallest_config();
  for (const std::string path :
       {"~", "null", "true", "1e3", "a: b", " padded ", "#no", "- x", "line\nbreak", "\"q\"", "it's",
        "caf\xc3\xa9", "[a", "*a", "\ttab", "a\\b", "%x", "@", "include: y"}) {
    config.data.path = path;
    EXPECT_EQ(parse(to_yaml(config)), config) << to_yaml(config);
  }
}

TEST(ConfigPrinting, NumbersLoseNothing) {
  RunConfig config = smallest_config();
  std::mt19937_64 draw(2);
  for (int i = 0; i < 300; ++i) {
    config.schedule.power =
        std::ldexp(static_cast<double>(draw() >> 11), static_cast<int>(draw() % 1900) - 1000);
    config.stages.list[0].learning_rate = 1.0 / static_cast<double>(draw());
    config.seed = static_cast<int64_t>(draw() >> 1);
    if (config.schedule.power == 0) continue;
    ASSERT_EQ(parse(to_yaml(config)), config) << to_yaml(config);
  }
}

TEST(ConfigPrinting, OtherReadersTakeNumbersForNumbers) {
  RunConfig config = smallest_config();
  config.optimizer.epsilon = 1e-8;
  EXPECT_NE(to_yaml(config).find("epsilon: 1.0e-08\n"), std::string::npos) << to_yaml(config);
}

TEST(ConfigPrinting, ChangedKeys) {
  const RunConfig before = smallest_config();
  EXPECT_TRUE(changed_keys(before, before).empty());
  RunConfig after = before;
  after.model.width = 256;
  after.stages.list[0].steps.given = 2;
  after.stages.list[0].windows->values = {1, 2, 3};
  after.stages.list[0].minutes.given = 0.5;
  EXPECT_EQ(
      changed_keys(before, after),
      (std::vector<std::string>{"model.width: 512 -> 256", "stages.list.0.minutes: not given -> 0.5",
                                "stages.list.0.steps: 1 -> 2", "stages.list.0.windows: 8 -> [1, 2, 3]"}));
}

constexpr const char* kRegenerate = " is out of date; run: longform check --write-reference docs";

TEST(ConfigReference, PagesAreUpToDate) {
  const std::string docs = source_path("docs/");
  EXPECT_TRUE(contents(docs + "config.md") == config_markdown()) << "docs/config.md" << kRegenerate;
  EXPECT_TRUE(contents(docs + "config.schema.json") == config_json_schema())
      << "docs/config.schema.json" << kRegenerate;
}

// Every key of the outline is in the schema with a description, and nothing else is.
void expect_schema(const nlohmann::json& schema, const std::vector<KeyInfo>& keys, size_t more) {
  EXPECT_EQ(schema.at("additionalProperties"), false);
  EXPECT_EQ(schema.at("properties").size(), keys.size() + more);
  for (const KeyInfo& key : keys) {
    SCOPED_TRACE(key.name);
    const nlohmann::json& property = schema.at("properties").at(key.name);
    EXPECT_EQ(property.at("description"), key.description);
    EXPECT_EQ(key.description.back(), '.');
    if (key.kind == KeyKind::section) expect_schema(property, key.keys, 0);
    if (key.kind == KeyKind::section_list) expect_schema(property.at("items"), key.keys, 0);
    if (key.kind == KeyKind::choice) {
      EXPECT_EQ(property.at("enum").size(), key.choices.size());
    }
  }
}

TEST(ConfigReference, SchemaAndPageHaveEveryKey) {
  const nlohmann::json schema = nlohmann::json::parse(config_json_schema());
  expect_schema(schema, outline<RunConfig>(), 1);
  EXPECT_EQ(schema["properties"]["model"]["properties"]["dropout"]["exclusiveMaximum"], 1);
  EXPECT_EQ(schema["properties"]["model"]["properties"]["width"]["default"], 512);
  const std::string page = config_markdown();
  for (const std::string& path : key_paths(outline<RunConfig>())) {
    const std::string name = path.substr(path.rfind('.') + 1);
    EXPECT_TRUE(page.find("| `" + name + "` |") != std::string::npos ||
                page.find("\n## " + path) != std::string::npos)
        << path;
  }
}

}  // namespace
}  // namespace lf
