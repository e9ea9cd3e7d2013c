// Every kind of mistake in a configuration, with the exact line that reports it.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "tests/trainers/config/config_errors.h"
#include "trainers/config/load.h"
#include "trainers/config/outline.h"
#include "trainers/config/paths.h"
#include "trainers/config/run_config.h"
#include "trainers/config/suggestion.h"

namespace lf {
namespace {

TEST(Config, MinimalFileHasTheDefaults) {
  const RunConfig config = parse_run_config(kStages, "run.yaml");
  RunConfig expected;
  expected.stages = config.stages;
  EXPECT_EQ(config, expected);
  ASSERT_EQ(config.stages.list.size(), 1u);
  EXPECT_EQ(config.stages.list[0].windows->values, std::vector<int64_t>{4});
  EXPECT_EQ(config.stages.list[0].steps.given, 5);
  EXPECT_EQ(config.optimizer.non_finite.limit, 10);
}

TEST(Config, EveryKindOfValueIsRead) {
  const RunConfig config = parse_run_config(
      "seed: 7\nprecision: bf16\ndata: {path: \"a b\", kind: text8, split: [0.8, 0.1, 0.1]}\n"
      "model: {final_layer_norm: true, dropout: .5}\noptimizer: {non_finite: {policy: skip}}\nlog:\n" +
          kStages,
      "run.yaml");
  EXPECT_EQ(config.seed, 7);
  EXPECT_EQ(config.precision, PrecisionChoice::bf16);
  EXPECT_EQ(config.data.path, "a b");
  EXPECT_EQ(config.data.kind.value(), CorpusKind::text8);
  EXPECT_EQ(config.data.split.value(), (std::array<double, 3>{0.8, 0.1, 0.1}));
  EXPECT_TRUE(config.model.final_layer_norm);
  EXPECT_EQ(config.model.dropout, 0.5);
  EXPECT_EQ(config.optimizer.non_finite.policy, NonFiniteChoice::skip);
  EXPECT_EQ(config.log, LogSection{});
}

TEST(Config, SyntaxErrors) {
  EXPECT_EQ(stage_errors_of("model:\n  width: [1, 2\n"),
            "run.yaml:3:1: not valid YAML: end of sequence flow not found");
  EXPECT_EQ(
      stage_errors_of("model:\n\twidth: 3\n"),
      "run.yaml:2:7: not valid YAML: illegal map value; line 2 is indented by a tab, which YAML refuses; use "
      "blanks");
  EXPECT_EQ(
      stage_errors_of("model:\n  layers:12\n  width: 3\n"),
      "run.yaml:3:8: not valid YAML: illegal map value; give the keys of a section the same indent, put a "
      "blank after a key's colon, and quote text with a colon");
  EXPECT_EQ(stage_errors_of("- seed\n"), "run.yaml:1:1: expected keys such as `model:`, found a list");
  EXPECT_EQ(stage_errors_of("hello\n"), "run.yaml:1:1: expected keys such as `model:`, found hello");
  EXPECT_EQ(errors_of("") + stage_errors_of(kStages + "---\nseed: 1\n"),
            "run.yaml:3:1: a second YAML document; a configuration is one document");
  EXPECT_EQ(errors_of("? [1]\n: 2\n"), "run.yaml:1:3: a key must be a word, found a list");
  EXPECT_EQ(stage_errors_of(std::string(100000, '[')), "run.yaml:1:1: not valid YAML: nested too deeply");
}

TEST(Config, AnchorsAliasesAndTagsAreRefused) {
  EXPECT_EQ(errors_of("seed: &s 1\nthreads: *s\nlog: {every_steps: !!int 5}\n"),
            "run.yaml:1:7: seed: anchors (&name) are not read; include: shares keys between files\n"
            "run.yaml:2:10: threads: aliases (*name) are not read; include: shares keys between files\n"
            "run.yaml:3:20: log.every_steps: tags (tag:yaml.org,2002:int) are not read");
}

TEST(Config, UnknownKeys) {
  EXPECT_EQ(errors_of("model:\n  layrs: 12\n"),
            "run.yaml:2:3: model.layrs: unknown key; did you mean model.layers?");
  EXPECT_EQ(errors_of("modle:\n  layers: 12\n"), "run.yaml:1:1: modle: unknown key; did you mean model?");
  EXPECT_EQ(errors_of("optimizer: {learning_rate: 1}\n"),
            "run.yaml:1:13: optimizer.learning_rate: unknown key; did you mean stages.list.0.learning_rate?");
  EXPECT_EQ(errors_of("validation: {sequence: 1}\n"),
            "run.yaml:1:14: validation.sequence: unknown key; did you mean validation.sequence_length?");
  EXPECT_EQ(errors_of("log: {qqqq: 1}\n"),
            "run.yaml:1:7: log.qqqq: unknown key; the keys of log are every_steps, tensorboard");
  EXPECT_EQ(
      errors_of("model:\n  include: a.yaml\n"),
      "run.yaml:2:3: model.include: unknown key; the keys of model are layers, width, heads, head_width, "
      "feed_forward, dropout, attention_dropout, relative_positions, final_layer_norm, initializer_range, "
      "vocabulary");
}

TEST(Config, EverySingleEditOfAKeySuggestsIt) {
  const std::vector<KeyInfo> sections = outline<RunConfig>();
  const auto check = [](const std::vector<KeyInfo>& keys) {
    std::vector<std::string> names;
    for (const KeyInfo& key : keys) names.push_back(key.name);
    for (const std::string& name : names) {
      for (size_t i = 0; i < name.size(); ++i) {
        std::string left_out = name, replaced = name, doubled = name, swapped = name;
        left_out.erase(i, 1);
        replaced[i] = 'x';
        doubled.insert(i, 1, name[i]);
        if (i + 1 < name.size()) std::swap(swapped[i], swapped[i + 1]);
        for (const std::string& typo : {left_out, replaced, doubled, swapped}) {
          EXPECT_EQ(nearest_word(typo, names), name) << typo;
        }
      }
    }
  };
  check(sections);
  for (const KeyInfo& section : sections) check(section.keys);
  for (const KeyInfo& key : sections) {
    for (const KeyInfo& inner : key.keys) check(inner.keys);
  }
}

TEST(Config, Suggestions) {
  EXPECT_EQ(edit_distance("cuont", "count"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(nearest_word("Learning-Rate", {"batch_size", "learning_rate"}), "learning_rate");
  EXPECT_EQ(nearest_word("zebra", {"width", "heads"}), "");
  EXPECT_EQ(nearest_word("", {"width"}), "");
}

TEST(Config, DuplicateKeys) {
  EXPECT_EQ(errors_of("seed: 1\nmodel:\n  width: 64\n  heads: 4\n  width: 32\nseed: 2\n"),
            "run.yaml:5:3: model.width: given twice; first at run.yaml:3:3\n"
            "run.yaml:6:1: seed: given twice; first at run.yaml:1:1");
  EXPECT_EQ(
      stage_errors_of("stages:\n  list:\n    - {sequence_length: 8, windows: 4, learning_rate: 1, steps: 1, "
                      "steps: 2}\n"),
      "run.yaml:3:68: stages.list.0.steps: given twice; first at run.yaml:3:58");
}

TEST(Config, WrongTypes) {
  EXPECT_EQ(errors_of("seed: 1e3\nthreads: 2.5\n"),
            "run.yaml:1:7: seed: expected a whole number, found 1e3; did you mean 1000?\n"
            "run.yaml:2:10: threads: expected a whole number, found 2.5");
  EXPECT_EQ(errors_of("seed: 430_000\n"),
            "run.yaml:1:7: seed: expected a whole number, found 430_000; did you mean 430000?");
  EXPECT_EQ(errors_of("seed: 99999999999999999999\n"),
            "run.yaml:1:7: seed: expected a whole number, found 99999999999999999999");
  EXPECT_EQ(errors_of("model:\n  width: \"512\"\n  heads:\n  layers: [1]\n"),
            "run.yaml:2:10: model.width: expected a whole number, found the quoted text \"512\"; did you "
            "mean 512?\n"
            "run.yaml:3:3: model.heads: expected a whole number, found nothing\n"
            "run.yaml:4:11: model.layers: expected a whole number, found a list");
  EXPECT_EQ(errors_of("model: {dropout: lots}\noptimizer: {epsilon: .nan, clip: 1e999}\n"),
            "run.yaml:1:18: model.dropout: expected a number, found lots\n"
            "run.yaml:2:22: optimizer.epsilon: expected a number, found .nan\n"
            "run.yaml:2:34: optimizer.clip: expected a number, found 1e999");
  EXPECT_EQ(errors_of("log: {tensorboard: yes}\n"),
            "run.yaml:1:20: log.tensorboard: expected true or false, found yes; did you mean true?");
  EXPECT_EQ(errors_of("data: {path: [a]}\n"), "run.yaml:1:14: data.path: expected text, found a list");
  EXPECT_EQ(errors_of("data: {path: \"\"}\n"),
            "run.yaml:1:14: data.path: expected text, found the quoted text \"\"");
  EXPECT_EQ(parse("task: classification\nclassification: {model: m, split_file: \"\"}\n"
                  "stages: {list: [{sequence_length: 8, learning_rate: 0.1, steps: 5}]}\n")
                .classification.split_file.given,
            std::nullopt)
      << "takes back what an included file gave";
  EXPECT_EQ(errors_of("log: 3\n"), "run.yaml:1:6: log: expected keys (every_steps, tensorboard), found 3");
  EXPECT_EQ(errors_of("data: {split: 0.9}\n"),
            "run.yaml:1:15: data.split: expected a list of 3 numbers, found 0.9");
  EXPECT_EQ(errors_of("optimizer: {betas: [0.9]}\n"),
            "run.yaml:1:20: optimizer.betas: expected a list of 2 numbers, found 1");
  EXPECT_EQ(errors_of("optimizer: {betas: [0.9, b]}\n"),
            "run.yaml:1:26: optimizer.betas.1: expected a number, found b");
}

TEST(Config, WrongTypesInStages) {
  EXPECT_EQ(stage_errors_of("stages:\n  list: {steps: 3}\n"),
            "run.yaml:2:9: stages.list: expected a list (lines that begin with -), found keys");
  const std::string stage = ", sequence_length: 8, learning_rate: 0.1, steps: 5}]}\n";
  EXPECT_EQ(stage_errors_of("stages: {list: [{windows: [4, x, 4]" + stage),
            "run.yaml:1:31: stages.list.0.windows.1: expected a whole number, found x");
  EXPECT_EQ(
      stage_errors_of("stages: {list: [{windows: {a: 1}" + stage),
      "run.yaml:1:27: stages.list.0.windows: expected a whole number or a list of one per layer, found keys");
  EXPECT_EQ(stage_errors_of("stages: {list: [{windows: []" + stage),
            "run.yaml:1:27: stages.list.0.windows: expected a whole number or a list of one per layer, found "
            "a list "
            "of nothing");
  EXPECT_EQ(
      stage_errors_of("stages: {list: [fast]}\n"),
      "run.yaml:1:17: stages.list.0: expected keys (name, sequence_length, windows, dilation, dilated_heads, "
      "learning_rate, batch_size, micro_batch, micro_batch_tokens, steps, tokens, epochs, minutes, patience, "
      "recompute), found fast");
}

TEST(Config, OutOfRange) {
  EXPECT_EQ(errors_of("seed: -1\nmodel: {dropout: 1, initializer_range: 0, width: 0}\n"),
            "run.yaml:1:7: seed: must be at least 0, found -1\n"
            "run.yaml:2:18: model.dropout: must be at least 0 and below 1, found 1\n"
            "run.yaml:2:40: model.initializer_range: must be above 0, found 0\n"
            "run.yaml:2:50: model.width: must be at least 1 and at most 1048576, found 0");
  EXPECT_EQ(errors_of("data: {split: [1.0, 0.0, 0.0]}\n"),
            "run.yaml:1:16: data.split.0: must be above 0 and below 1, found 1.0\n"
            "run.yaml:1:21: data.split.1: must be above 0 and below 1, found 0.0\n"
            "run.yaml:1:26: data.split.2: must be above 0 and below 1, found 0.0");
}

TEST(Config, UnknownChoices) {
  EXPECT_EQ(
      errors_of("attention: {implementation: chunk}\n"),
      "run.yaml:1:29: attention.implementation: expected one of fused, chunks, loop, full; found chunk; did "
      "you mean chunks?");
  EXPECT_EQ(errors_of("device: gpu\n"), "run.yaml:1:9: device: expected one of cpu, cuda; found gpu");
  EXPECT_EQ(errors_of("device: [cpu]\n"), "run.yaml:1:9: device: expected one of cpu, cuda; found a list");
}

TEST(Config, RulesDoNotTripOverValuesThatCouldNotBeRead) {
  EXPECT_EQ(
      stage_errors_of("model: {heads: 0}\nschedule: {kind: cosine}\nstages:\n  list:\n    - {batch_size: 0, "
                      "tokens: 5, windows: 4, learning_rate: 1}\n"),
      "run.yaml:1:16: model.heads: must be at least 1 and at most 1024, found 0\n"
      "run.yaml:5:7: stages.list.0.sequence_length: is missing; the first stage gives it\n"
      "run.yaml:5:20: stages.list.0.batch_size: must be at least 1 and at most 16777216, found 0");
}

TEST(Config, ReportsEverythingInTheOrderOfTheText) {
  EXPECT_EQ(errors_of("sed: 1\nmodel:\n  width: wide\n  heads: 7\n  dropout: 2\nlog: {every_steps: 0}\n",
                      {"threads=many"}),
            "run.yaml:1:1: sed: unknown key; did you mean seed?\n"
            "run.yaml:3:10: model.width: expected a whole number, found wide\n"
            "run.yaml:5:12: model.dropout: must be at least 0 and below 1, found 2\n"
            "run.yaml:6:20: log.every_steps: must be at least 1, found 0\n"
            "--set threads=many: threads: expected a whole number, found many");
}

TEST(Config, DataAreNamedByEveryKeyThatIsGiven) {
  RunConfig config;
  config.data.path = "train.tsv";
  EXPECT_EQ(data_words(config), "data.path train.tsv");
  config.classification.test.given = "test.tsv";
  EXPECT_EQ(data_words(config), "data.path train.tsv or classification.test test.tsv");
}

}  // namespace
}  // namespace lf
