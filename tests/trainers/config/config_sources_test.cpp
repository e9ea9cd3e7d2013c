// Where a configuration comes from: included files, overrides, and text that is damaged at random.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "core/check.h"
#include "tests/fuzz.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/trainers/config/config_errors.h"
#include "trainers/config/load.h"
#include "trainers/config/run_config.h"

namespace lf {
namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string load_errors_of(const std::string& path, const std::vector<std::string>& overrides = {}) {
  return error_of([&] { load_run_config(path, overrides); });
}

TEST(ConfigPaths, StartWhereTheyAreStated) {
  const TemporaryFolder folder;
  for (const char* name : {"base", "own", "here"}) std::filesystem::create_directory(folder / name);
  for (const char* name : {"base/text", "own/text", "here/text", "base/model", "here/elsewhere"})
    write(folder / name, "");
  write(folder / "base/base.yaml",
        "data: {path: text}\ntask: masked_lm\nmasked_lm: {model: model}\n"
        "stages: {list: [{sequence_length: 8, learning_rate: 0.1, steps: 5}]}\n");
  write(folder / "own/run.yaml", "include: ../base/base.yaml\n");
  write(folder / "own/other.yaml", "include: run.yaml\ndata: {path: text}\n");
  write(folder / "own/third.yaml", "include: run.yaml\ndata: {path: elsewhere}\n");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder / "here");
  const auto data = [&](const std::string& name, const std::vector<std::string>& overrides = {}) {
    return load_run_config(folder / ("own/" + name), overrides).data.path;
  };
  EXPECT_EQ(data("run.yaml"), folder / "base/text");
  EXPECT_EQ(load_run_config(folder / "own/run.yaml").masked_lm.model, folder / "base/model");
  EXPECT_EQ(data("other.yaml"), folder / "own/text");
  EXPECT_EQ(data("third.yaml"), "elsewhere");
  EXPECT_EQ(data("run.yaml", {"data.path=text"}), "text");
  std::filesystem::current_path(folder / "base");
  std::filesystem::remove(folder / "base/text");
  EXPECT_EQ(data("run.yaml", {"data.path=text"}), folder / "own/text");
  std::filesystem::current_path(before);
}

TEST(ConfigInclude, MapsMergeListsAreReplacedLaterFilesWin) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "sub");
  write(folder / "sub/first.yaml", "seed: 1\nmodel: {width: 64, heads: 4}\n" + kStages);
  write(folder / "second.yaml", "seed: 2\nthreads: 3\n");
  write(folder / "sub/run.yaml",
        "include: [first.yaml, ../second.yaml]\nmodel: {heads: 2}\n"
        "stages: {list: [{sequence_length: 9, windows: 3, learning_rate: 1, minutes: 2}]}\nlog:\n");
  const RunConfig config = load_run_config(folder / "sub/run.yaml");
  EXPECT_EQ(config.seed, 2);
  EXPECT_EQ(config.threads, 3);
  EXPECT_EQ(config.model.width, 64);
  EXPECT_EQ(config.model.heads, 2);
  ASSERT_EQ(config.stages.list.size(), 1u);
  EXPECT_EQ(config.stages.list[0].sequence_length, 9);
  EXPECT_FALSE(config.stages.list[0].steps.given.has_value());
}

TEST(ConfigInclude, ErrorsPointIntoTheFileTheyCameFrom) {
  const TemporaryFolder folder;
  write(folder / "base.yaml", "model:\n  width: 30\n  heads: 4\n  layrs: 3\n" + kStages);
  write(folder / "run.yaml", "include: base.yaml\nmodel:\n  heads: 8\n  dropout: -1\n");
  EXPECT_EQ(load_errors_of(folder / "run.yaml"),
            folder / "run.yaml:3:3: model.heads: 8 heads do not divide model.width 30; change one, or give "
                     "model.head_width\n" +
                (folder / "run.yaml:4:12: model.dropout: must be at least 0 and below 1, found -1\n") +
                (folder / "base.yaml:4:3: model.layrs: unknown key; did you mean model.layers?"));
}

TEST(ConfigFile, WhatStandsInItsPlaceIsNamed) {
  const TemporaryFolder folder;
  write(folder / "lfs.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 498\n");
  EXPECT_EQ(load_errors_of(folder / "lfs.yaml"),
            folder /
                "lfs.yaml: is a Git LFS pointer: the file itself (498 bytes) was not downloaded; get it "
                "with `git lfs pull`");
  write(folder / "packed.yaml", "\x1F\x8B\x08");
  EXPECT_EQ(load_errors_of(folder / "packed.yaml"),
            folder / "packed.yaml: is data packed by gzip; unpack it with `gunzip`");
  write(folder / "program.yaml", std::string("\x7F"
                                             "ELF\2\1\1\0",
                                             8));
  EXPECT_EQ(load_errors_of(folder / "program.yaml"),
            folder / "program.yaml: is binary data, no YAML: byte 7 is 0x00");
  std::string wide = "\xFF\xFE";
  for (const char letter : "seed: 1\n" + kStages) wide += {letter, '\0'};
  for (const std::string& yaml : {wide, wide.substr(2)}) {
    write(folder / "wide.yaml", yaml);
    EXPECT_EQ(load_errors_of(folder / "wide.yaml"), "");
  }
  std::filesystem::create_symlink("nowhere", folder / "link.yaml");
  EXPECT_EQ(load_errors_of(folder / "link.yaml"),
            folder / "link.yaml: cannot be read: it is a link to nowhere, which does not exist");
}

TEST(ConfigFile, PathsStartAtTheCurrentFolderOrAtItsOwn) {
  const TemporaryFolder folder;
  write(folder / "run.yaml", "data: {path: corpus.txt}\n" + kStages);
  EXPECT_EQ(load_run_config(folder / "run.yaml").data.path, "corpus.txt")
      << "as given where nothing is there";
  write(folder / "corpus.txt", "a");
  EXPECT_EQ(load_run_config(folder / "run.yaml").data.path, folder / "corpus.txt");
}

// YAML 1.2, section 5.2: the encodings that a reader must know.
TEST(ConfigFile, TextInUtf16IsYaml) {
  const TemporaryFolder folder;
  std::string wide = "\xFF\xFE";
  for (const char c : "seed: 7\n" + kStages) wide += {c, '\0'};
  write(folder / "wide.yaml", wide);
  EXPECT_EQ(load_run_config(folder / "wide.yaml").seed, 7);
}

TEST(ConfigInclude, CyclesMissingFilesAndWrongNames) {
  const TemporaryFolder folder;
  write(folder / "a.yaml", "include: b.yaml\n");
  write(folder / "b.yaml", "include:\n  - a.yaml\n");
  EXPECT_EQ(load_errors_of(folder / "a.yaml"),
            folder / "b.yaml:2:5: include: files include each other: " + (folder / "a.yaml -> ") +
                (folder / "b.yaml -> ") + (folder / "a.yaml"));
  write(folder / "c.yaml", "seed: 1\ninclude: [gone.yaml, 3, [x], \"\"]\n");
  EXPECT_EQ(
      load_errors_of(folder / "c.yaml"),
      folder / "c.yaml:2:11: include: " +
          (folder / "gone.yaml cannot be read: No such file or directory (ENOENT)\n") +
          (folder / "c.yaml:2:22: include: ") +
          (folder / "3 cannot be read: No such file or directory (ENOENT)\n") +
          (folder / "c.yaml:2:25: include: expected a file name or a list of them, found a list\n") +
          (folder / "c.yaml:2:30: include: expected a file name or a list of them, found the quoted text "
                    "\"\""));
  EXPECT_EQ(load_errors_of(folder / "none.yaml"),
            folder / "none.yaml: cannot be read: No such file or directory (ENOENT)");
  EXPECT_EQ(load_errors_of(folder.path()), folder.path() + ": is a folder");
  write(folder / "corpus", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(load_errors_of(folder / "corpus"),
            folder / "corpus: has 1048577 bytes; a configuration has at most 1048576");
}

TEST(ConfigInclude, ATangleOfIncludesEnds) {
  const TemporaryFolder folder;
  write(folder / "0.yaml", "seed: 1\n");
  for (int i = 1; i <= 30; ++i) {
    const std::string below = std::to_string(i - 1) + ".yaml";
    write(folder / (std::to_string(i) + ".yaml"), "include: [" + below + ", " + below + "]\n");
  }
  EXPECT_NE(load_errors_of(folder / "30.yaml").find("include: more than 64 files are included"),
            std::string::npos);
}

TEST(ConfigSet, OverridesOfEveryKind) {
  const RunConfig config = parse_run_config(
      "model: {layers: 2}\n" + kStages, "run.yaml",
      {"stages.count=1", "stages.list.0.steps=100", "data.path=a=b: c #d", "model.layers=3",
       "stages.list.0.windows=[1, 2, 3]", "stages.list.0.windows.1=9", "data.split=[0.5,0.3,0.2]",
       "optimizer.non_finite.policy=rollback", "seed=4", "seed=5"});
  EXPECT_EQ(config.stages.count, 1);
  EXPECT_EQ(config.stages.list[0].steps.given, 100);
  EXPECT_EQ(config.data.path, "a=b: c #d");
  EXPECT_EQ(config.stages.list[0].windows->values, (std::vector<int64_t>{1, 9, 3}));
  EXPECT_EQ(config.data.split.value(), (std::array<double, 3>{0.5, 0.3, 0.2}));
  EXPECT_EQ(config.optimizer.non_finite.policy, NonFiniteChoice::rollback);
  EXPECT_EQ(config.seed, 5);
}

TEST(ConfigPaths, NeedNotBeUtf8) {
  const RunConfig config = parse_run_config(kStages, "run.yaml", {"data.path=caf\xe9"});
  EXPECT_EQ(config.data.path, "caf\xe9");
  const std::string written = to_yaml(config);
  EXPECT_NE(written.find("path: !!binary \"Y2Fm6Q==\"\n"), std::string::npos) << written;
  EXPECT_EQ(parse_run_config(written, "again.yaml"), config);
  for (const std::string text : {"dGV4dA==", "|\n   dGV4\t\n   dA==\n"})
    EXPECT_EQ(parse_run_config(kStages + "data:\n  path: !!binary " + text, "run.yaml").data.path, "text");

  EXPECT_EQ(
      errors_of("data: {path: caf\xe9}\n"),
      "run.yaml:1:14: data.path: expected text in UTF-8; a path in other bytes is given as !!binary and "
      "their base64");
  // yaml-cpp writes U+FFFD for what Unicode calls noncharacters.
  for (const std::string odd :
       {"w\uFFFF #1", "n\uFFFE: x", "\uFDD0 #", "\U0010FFFF: ", "caf\u00e9 #: \uFEFF", "\u0085"}) {
    RunConfig named = config;
    named.data.path = odd;
    EXPECT_EQ(parse_run_config(to_yaml(named), "again.yaml"), named) << to_yaml(named);
  }
  EXPECT_EQ(parse_run_config(kStages, "run.yaml", {"data.path=!!binary Y2Fm6Q=="}).data.path, "caf\xe9");
  for (const std::string zero : {"\"a\\0\"", "!!binary YQA="}) {
    EXPECT_EQ(errors_of("data: {path: " + zero + "}\n"), "run.yaml:1:14: data.path: a text with a zero byte");
    EXPECT_EQ(errors_of("", {"data.path=" + zero}), "--set data.path=" + zero + ": a text with a zero byte");
    EXPECT_EQ(errors_of("include: " + zero + "\n"), "run.yaml:1:10: include: a text with a zero byte");
  }
  for (const std::string wrong : {"caf\xe9", "''", "dGV4dA", "dGV4dA==dGV4dA=="})
    EXPECT_EQ(errors_of("data: {path: !!binary " + wrong + "}\n"),
              "run.yaml:1:14: data.path: not base64, as !!binary announces");
  EXPECT_EQ(stage_errors_of("stages: {list: [{sequence_length: 8, windows: 4, learning_rate: 0.1, steps: 5,\n"
                            "name: !!binary 6Q==}]}\n"),
            "run.yaml:2:7: stages.list.0.name: expected text in UTF-8");
}

TEST(ConfigSet, Errors) {
  EXPECT_EQ(errors_of("", {"stages.cuont=3"}),
            "--set stages.cuont=3: stages.cuont: unknown key; did you mean stages.count?");
  EXPECT_EQ(errors_of("", {"seed"}), "--set seed: expected key=value, such as stages.count=3");
  EXPECT_EQ(errors_of("", {"=3"}), "--set =3: expected key=value, such as stages.count=3");
  EXPECT_EQ(errors_of("", {"model..width=3"}),
            "--set model..width=3: expected key=value, such as stages.count=3");
  EXPECT_EQ(errors_of("", {"seed="}), "--set seed=: seed: expected a whole number, found nothing");
  EXPECT_EQ(errors_of("", {"data.path=caf\xc3\xa9"}), "");
  EXPECT_EQ(errors_of("", {"data.split=[0.5,"}),
            "--set data.split=[0.5,: not valid YAML: end of sequence flow not found");
  EXPECT_EQ(errors_of("", {"stages.list.2.steps=3"}),
            "--set stages.list.2.steps=3: stages.list.2: no such element; the list has 1, counted from 0");
  EXPECT_EQ(errors_of("seed: 1\n", {"seed.x=3"}),
            "--set seed.x=3: seed.x: no such key; the key above it has a value, not keys");
  EXPECT_EQ(errors_of("", {"model.heads=7"}),
            "--set model.heads=7: model.heads: 7 heads do not divide model.width 512; change one, or give "
            "model.head_width");
}

TEST(ConfigFuzz, DamagedTextIsAcceptedOrRefusedButNeverMore) {
  std::ifstream file(source_path("configs/demo.yaml"));
  const std::string whole(std::istreambuf_iterator<char>(file), {});
  const std::string good = whole.substr(whole.find("\ndata:"));
  ASSERT_EQ(stage_errors_of(good), "");
  std::mt19937 draw(1);
  const std::string letters = "[]{}:-#&*!|>'\"%@`,?\n\t 0aZ~\\\xc3\xff\x01";
  int accepted = 0, refused = 0;
  for (FuzzRounds rounds(1000); rounds.more();) {
    std::string damaged = good;
    for (unsigned edits = draw() % 4 + 1; edits > 0; --edits) {
      const size_t position = draw() % damaged.size();
      const char letter = letters[draw() % letters.size()];
      if (draw() % 2)
        damaged[position] = letter;
      else
        damaged.insert(position, 1, letter);
    }
    try {
      const RunConfig config = parse_run_config(damaged, "run.yaml");
      EXPECT_EQ(parse_run_config(to_yaml(config), "again.yaml"), config) << damaged;
      ++accepted;
    } catch (const UsageError& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, 9), "run.yaml:") << error.what();
      ++refused;
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace lf
