// What a user may get wrong, and what may be wrong on the disk: exit code 1 or 2, one clear error on standard
// error, nothing on standard output, and nothing lost.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/check.h"
#include "core/weights/safetensors.h"
#include "tests/places.h"
#include "tests/program.h"
#include "trainers/run/checkpoint.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

class CliErrors : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_config(program_);
    program_.write("records.jsonl", "{\"id\": \"a\", \"ids\": [0, 4, 2]}\n");
  }

  std::string config() const { return read_file(program_ / "config.yaml"); }
  std::vector<std::string> train_command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {"train", program_ / "config.yaml", "--out", program_ / "run"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  void train() {
    const ProgramResult result = program_.run(train_command());
    ASSERT_EQ(result.code, 0) << result.err;
  }

  static void expect_error(const ProgramResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(part), std::string::npos) << "no \"" << part << "\" in: " << result.err;
    for (const char* noise : {"terminate called", "what():", "std::", "Aborted", "nlohmann", "Segmentation"})
      EXPECT_EQ(result.err.find(noise), std::string::npos) << result.err;
    size_t errors = 0;
    for (const std::string& line : lines_of(result.err)) errors += line.rfind("error: ", 0) == 0;
    EXPECT_EQ(errors, 1u) << result.err;
  }
  void refused(const std::vector<std::string>& arguments, int code, const std::string& part,
               const std::string& input = "") {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    expect_error(program_.run(arguments, input), code, part);
  }
  // A refused training leaves no run behind.
  void train_refused(const std::vector<std::string>& more, int code, const std::string& part) {
    refused(train_command(more), code, part);
    EXPECT_FALSE(fs::exists(program_ / "run"));
  }
  void config_refused(const std::string& changed, const std::string& part) {
    program_.write("config.yaml", changed);
    train_refused({}, kBadUsage, part);
    refused({"check", program_ / "config.yaml"}, kBadUsage, part);
  }

  Program program_;
};

TEST_F(CliErrors, UnknownVerbsAndFlags) {
  refused({}, kBadUsage, "subcommand");
  refused({"trian"}, kBadUsage, "trian");
  refused({"train"}, kBadUsage, "config");
  train_refused({"--resme"}, kBadUsage, "--resme");
  refused({"train", program_ / "config.yaml"}, kBadUsage, "--out");
  refused({"train", program_ / "nowhere.yaml", "--out", program_ / "run"}, kBadUsage, "nowhere.yaml");
  refused({"check"}, kBadUsage, "configuration");
  refused({"bench"}, kBadUsage, "subcommand");
  refused({"bench", "trian"}, kBadUsage, "unknown verb trian; see longform bench --help");
  refused({"--verson"}, kBadUsage, "unknown option --verson; see longform --help");
  refused({"bench", "attention", "--foo", "3"}, kBadUsage,
          "unknown option --foo; see longform bench attention --help");
  refused({"prepare", "documents"}, kBadUsage, "see longform prepare documents --help");
  refused({"bench", "attention", "--implementations", "magic"}, kBadUsage, "magic");
  refused({"bench", "attention", "--dtype", "f8"}, kBadUsage, "f8");
  refused({"bench", "attention", "--length", "0"}, kBadUsage, "--length");
  refused({"bench", "attention", "--length", "many"}, kBadUsage, "many");
  refused({"bench", "attention", "--window", "-1"}, kBadUsage, "--window");
  refused({"bench", "attention", "--heads", "0"}, kBadUsage, "--heads");
  for (const char* none : {"0", "-1", "inf", "nan", "fast"}) {
    refused({"check", program_ / "config.yaml", "--ranks", "2", "--bandwidth", none}, kBadUsage,
            "--bandwidth: is " + std::string(none) + "; needed a number above 0; see longform check --help");
  }
  refused({"bench", "train", program_ / "config.yaml", "--stage", "3"}, kBadUsage, "--stage is 3");
  refused({"evaluate", program_ / "config.yaml", "--split", "tset"}, kBadUsage, "--split is tset");
}

TEST_F(CliErrors, WrongConfigurations) {
  const std::string good = config();
  config_refused(with(good, "layers: 2", "layer: 2"), "model.layer");
  config_refused(with(good, "layers: 2", "layers: two"), "model.layers");
  config_refused(with(good, "layers: 2", "layers: 2, layers: 3"), "layers");
  config_refused(with(good, "width: 32", "width: 33"), "model.heads");
  config_refused(with(good, "windows: [8, 16]", "windows: [8, 16, 16]"), "windows");
  config_refused(with(good, "micro_batch: 2", "micro_batch: 3"), "micro_batch");
  config_refused(with(good, "step: 128", "step: 512"), "evaluation.step");
  config_refused(with(good, "kind: bytes}", "kind: bytes"), "config.yaml");
  config_refused("", "stages");
  program_.write("config.yaml", good);
  train_refused({"--set", "modle.layers=3"}, kBadUsage, "modle");
  train_refused({"--set", "model.layers"}, kBadUsage, "model.layers");
  train_refused({"--set", "stages.list.7.steps=3"}, kBadUsage, "stages.list.7");
}

TEST_F(CliErrors, NoCudaInThisBuild) {
  if (kHasCuda) GTEST_SKIP() << "this build has CUDA";
  const std::string remedy =
      "scripts/build cuda makes one that has; --set device=cpu, or --device cpu, uses the CPU";
  for (const std::string verb : {"train", "bench"}) {
    std::vector<std::string> command = {verb};
    if (verb == "bench") command.push_back("train");
    command.insert(command.end(), {program_ / "config.yaml", "--set", "device=cuda"});
    if (verb == "train") command.insert(command.end(), {"--out", program_ / "run"});
    refused(command, kFailed, remedy);
  }
  EXPECT_EQ(fs::exists(program_ / "run"), false);
  // What is meant for another machine can be checked on this one; only its speed is unknown.
  const ProgramResult checked =
      program_.run({"check", program_ / "config.yaml", "--set", "device=cuda", "--json"});
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_NE(checked.err.find(
                "it cannot be trained here, and no time is predicted: device cuda: this build has no CUDA"),
            std::string::npos)
      << checked.err;
  EXPECT_NE(checked.err.find(remedy), std::string::npos) << checked.err;
  const auto stage = nlohmann::json::parse(checked.out).at("stages").at(0);
  EXPECT_TRUE(stage.at("seconds").is_null()) << stage;
  EXPECT_GT(stage.at("memory_bytes").get<int64_t>(), 0);
}

TEST_F(CliErrors, WrongCorpora) {
  const auto path = [&](const std::string& name) { return "data.path=" + (program_ / name); };
  train_refused({"--set", path("nowhere.txt")}, kFailed, "nowhere.txt");
  program_.write("empty.txt", "");
  train_refused({"--set", path("empty.txt")}, kFailed, "empty.txt");
  program_.write("cut.zip", std::string("PK\3\4") + std::string(100, '\1'));
  train_refused({"--set", path("cut.zip")}, kFailed, "cut.zip");
  train_refused({"--set", "data.kind=text8"}, kFailed, "corpus.txt");
  program_.write("short.txt", read_file(program_ / "corpus.txt").substr(0, 100));
  train_refused({"--set", path("short.txt")}, kFailed, "hold no sequence of b, which needs 97");
  refused({"check", program_ / "config.yaml", "--set", path("short.txt")}, kFailed, "hold no sequence");
  train_refused({"--set", "model.vocabulary=5"}, kFailed, "model.vocabulary is 5");
  refused({"prepare", "bytes", "--out", program_ / "corpus"}, kBadUsage, "--download");
  refused({"prepare", "text9", program_ / "corpus.txt", "--out", program_ / "corpus"}, kBadUsage, "text9");
  refused({"prepare", "text8", program_ / "corpus.txt", "--out", program_ / "corpus"}, kFailed, "corpus.txt");
  refused({"prepare", "bytes", program_ / "corpus.txt", "--out", program_ / "corpus", "--newlines", "half"},
          kBadUsage, "half");
  EXPECT_FALSE(fs::exists(program_ / "corpus/corpus.json"));
}

TEST_F(CliErrors, OutputFoldersThatAreNone) {
  program_.write("file", "precious");
  refused({"train", program_ / "config.yaml", "--out", program_ / "file"}, kFailed, "file");
  EXPECT_EQ(read_file(program_ / "file"), "precious");
  refused({"train", program_ / "config.yaml", "--out", "/proc/longform-run"}, kFailed, "/proc/longform-run");
  refused({"prepare", "bytes", program_ / "corpus.txt", "--out", "/proc/longform"}, kFailed,
          "/proc/longform");
  refused({"check", "--write-reference", program_ / "nowhere"}, kFailed, "nowhere");
}

TEST_F(CliErrors, DamagedTokenFilesAreNamed) {
  ASSERT_EQ(program_.run({"prepare", "bytes", program_ / "corpus.txt", "--out", program_ / "corpus"}).code,
            0);
  const std::string path = program_ / "corpus/train.tokens", whole = read_file(path);
  const auto refuse = [&](const std::string& damaged) {
    program_.write("corpus/train.tokens", damaged);
    train_refused({"--set", "data.path=" + (program_ / "corpus")}, kFailed, "train.tokens");
    refused({"inspect", program_ / "corpus"}, kFailed, "train.tokens");
    refused({"inspect", path}, kFailed, "train.tokens");
  };
  refuse(whole.substr(0, whole.size() / 2));
  refuse("");
  refuse("nonsense" + whole.substr(8));
  // A flipped token in the middle is found by its hash, which only inspect computes in full.
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 1;
  program_.write("corpus/train.tokens", flipped);
  refused({"inspect", path}, kFailed, "train.tokens");
  refused({"inspect", program_ / "corpus"}, kFailed, "train.tokens");
}

TEST_F(CliErrors, DamagedCheckpointsAreNamed) {
  train();
  const std::string latest = *latest_checkpoint(program_ / "run"), model = latest + "/model.safetensors";
  std::string bytes = read_file(model);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(model, std::ios::binary) << bytes;
  for (const std::string& path : {program_ / "run", latest}) {
    const ProgramResult result = program_.run({"inspect", path});
    EXPECT_EQ(result.code, kFailed) << path;
    EXPECT_NE(result.err.find("error: "), std::string::npos);
    EXPECT_NE(result.err.find("model.safetensors"), std::string::npos) << result.err;
  }
  refused({"evaluate", program_ / "run", "--checkpoint", latest}, kFailed, "model.safetensors");
  // By itself the program falls back to the checkpoint before, and says so.
  const ProgramResult result = program_.run({"evaluate", program_ / "run", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("warning: "), std::string::npos) << result.err;
  EXPECT_EQ(lines_of(result.out).size(), 1u);
  std::ofstream(program_ / "cut.safetensors", std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  refused({"inspect", program_ / "cut.safetensors"}, kFailed, "cut.safetensors");
}

TEST_F(CliErrors, ExistingRunsAreNotOverwritten) {
  train();
  const std::string log = read_file(program_ / "run/log.jsonl");
  refused(train_command(), kBadUsage, "--resume");
  refused(train_command({"--resume", "--set", "model.width=64"}), kBadUsage, "model.width: 32 -> 64");
  refused(train_command({"--resume", "--set", "seed=2"}), kBadUsage, "seed: 1 -> 2");
  EXPECT_EQ(read_file(program_ / "run/log.jsonl"), log);
  fs::remove(program_ / "run/config.yaml");
  refused(train_command(), kFailed, "not a run of Longform");
  EXPECT_EQ(read_file(program_ / "run/log.jsonl"), log);
}

TEST_F(CliErrors, WhatIsNoRun) {
  for (const std::string verb : {"evaluate", "generate"}) {
    refused({verb, program_ / "nowhere"}, kBadUsage, "nowhere");
    refused({verb, program_.folder().path()}, kFailed, "no checkpoint");  // it has a config.yaml
  }
  fs::create_directory(program_ / "folder");
  refused({"evaluate", program_ / "folder"}, kBadUsage, "is not a run folder");
  refused({"bench", "generate", program_ / "folder"}, kBadUsage, "is not a run folder");
  refused({"plot", program_ / "folder"}, kFailed, "folder");
  refused({"inspect", program_ / "folder"}, kFailed, "folder");
  std::filesystem::create_symlink("gone", program_ / "link");
  for (const char* verb : {"inspect", "evaluate", "generate", "predict"}) {
    std::vector<std::string> command = {verb, program_ / "nowhere"};
    const int code = command[0] == "inspect" ? kFailed : kBadUsage;
    if (command[0] == "predict") command.push_back(program_ / "records.jsonl");
    refused(command, code, "nowhere does not exist");
    command[1] = program_ / "link";
    refused(command, code, "link is a link to gone, which does not exist");
  }
  refused({"inspect", program_ / "corpus.txt"}, kFailed, "corpus.txt");
}

TEST_F(CliErrors, WrongPromptsAndSettings) {
  train();
  const auto generate_refused = [&](std::vector<std::string> more, int code, const std::string& part) {
    more.insert(more.begin(), {"generate", program_ / "run"});
    refused(more, code, part);
  };
  generate_refused({"--prompt", "a\x01z"}, kBadUsage, "byte 0x01 at position 1");
  generate_refused({"--temperature", "0"}, kBadUsage, "temperature is 0");
  generate_refused({"--top-p", "2"}, kBadUsage, "top_p is 2");
  generate_refused({"--length", "0"}, kBadUsage, "max_new_tokens is 0");
  generate_refused({"--checkpoint", "worst"}, kFailed, "worst");
  generate_refused({"--input", program_ / "nowhere.jsonl"}, kFailed, "nowhere.jsonl");
  generate_refused({"--input", program_ / "corpus.txt"}, kFailed, "corpus.txt:1");
  program_.write("settings.json", R"({"top_q": 1})");
  generate_refused({"--generation", program_ / "settings.json"}, kBadUsage, "top_q");
  generate_refused({"--generation", program_ / "nowhere.json"}, kFailed, "nowhere.json");
  generate_refused({"--prompt", "a", "--input", "-"}, kBadUsage, "--input");
  refused({"generate", program_ / "run", "--input", "-"}, kFailed, "-:1", "{\"id\": 1}\n");
  refused({"generate", program_ / "run", "--input", "-"}, kFailed, "holds no record", "");
  // Nothing is written before all prompts are known to be good.
  refused({"generate", program_ / "run", "--input", "-"}, kBadUsage, "record b",
          "{\"id\": \"a\", \"text\": \"a\"}\n{\"id\": \"b\", \"text\": \"\\u0001\"}\n");
}

// A disk that takes no more: the checkpoint before stays, and the run goes on once there is room.
TEST_F(CliErrors, FullDisk) {
  const ProgramResult full =
      program_.run(train_command(), "", {"LF_FAILPOINT=safetensors.before_tensor:100=enospc"});
  expect_error(full, kFailed, "No space left");
  std::vector<std::string> warnings;
  EXPECT_EQ(load_checkpoint(program_ / "run", warnings).step, 2);
  EXPECT_EQ(warnings, std::vector<std::string>());
  const ProgramResult again = program_.run(train_command({"--resume"}));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(load_checkpoint(program_ / "run", warnings).step, 5);
}

// Every verb that takes a path, with this one as what it reads or writes.
std::vector<std::vector<std::string>> verbs_with(const Program& program, const std::string& path) {
  return {{"inspect", path},
          {"evaluate", path},
          {"generate", path},
          {"plot", path, "--out", program / "new.svg"},
          {"predict", path, program / "records.jsonl"},
          {"convert", path, program / "new", "--to", "huggingface"},
          {"convert", path, program / "new", "--to", "longformer"},
          {"check", path},
          {"train", program / "config.yaml", "--out", path},
          {"prepare", "bytes", path, "--out", program / "new"},
          {"prepare", "bytes", program / "corpus.txt", "--out", path},
          {"prepare", "documents", path, "--out", program / "new", "--tokenizer", program / "tokenizer"},
          {"tokenize", path, program / "corpus.txt"}};
}

// The path and the reason, in words of ours.
void expect_place_named(const ProgramResult& result, const std::string& path) {
  EXPECT_NE(result.code, 0);
  EXPECT_EQ(result.err.find("filesystem error"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("std::"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(path), std::string::npos) << result.err;
}

// Names and places that the file system refuses: the path, why, and a way out.
TEST_F(CliErrors, PathsThatCannotBe) {
  const std::string endless = program_ / std::string(300, 'x'), circle = program_ / "circle",
                    inside = program_ / "corpus.txt/inside";
  fs::copy(source_path("tests/golden/tiny_bpe"), program_ / "tokenizer");
  fs::create_symlink(circle, circle);
  for (const std::string& path : {endless, circle, inside}) {
    for (const std::vector<std::string>& arguments : verbs_with(program_, path)) {
      SCOPED_TRACE(::testing::PrintToString(arguments));
      expect_place_named(program_.run(arguments), path);
    }
  }
  refused({"inspect", endless}, kFailed, "File name too long (ENAMETOOLONG); choose a shorter name");
  refused({"inspect", circle}, kFailed, "(ELOOP); symbolic links");
}

// As an ordinary user, also where the tests run as root.
TEST_F(CliErrors, PlacesWithoutRights) {
  fs::permissions(program_.folder().path(), fs::perms::all);
  fs::copy(source_path("tests/golden/tiny_bpe"), program_ / "tokenizer");  // whoever may read the repository
  fs::create_directory(program_ / "closed");
  fs::permissions(program_ / "closed", fs::perms::none);
  const bool root = ::geteuid() == 0;
  const std::string user =
      "shift; set -- setpriv --reuid=65534 --regid=65534 --clear-groups " + program_path() + " \"$@\"; ";
  if (root && program_.run({"env"}, "", {}, user).code != 0)
    GTEST_SKIP() << "an ordinary user cannot start " << program_path();
  for (const std::vector<std::string>& arguments : verbs_with(program_, program_ / "closed/run")) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const ProgramResult result = program_.run(arguments, "", {}, root ? user : "");
    expect_place_named(result, program_ / "closed");
    EXPECT_NE(result.err.find("check the owner and rights"), std::string::npos) << result.err;
  }
  fs::permissions(program_ / "closed", fs::perms::owner_all);
}

#ifndef __SANITIZE_ADDRESS__  // which ends the program on impossible requests
TEST_F(CliErrors, MemoryThatDoesNotSufficeHasAdviceForTheVerb) {
  refused({"bench", "attention", "--json", "--length", "1048576", "--batch", "1000000", "--window", "8"},
          kFailed, "a smaller --batch or --length needs less");
  refused(train_command({"--set", "model.width=1048576", "--set", "model.feed_forward=4194304"}), kFailed,
          "a smaller model, micro_batch or recompute: true needs less");
}
#endif

// One KEY=VALUE after each --set, as often as wanted; of a key's values the last one counts.
TEST_F(CliErrors, OverridesComeOneAFlag) {
  train_refused({"--set", "threads=1", "log.every_steps=1"}, kBadUsage, "log.every_steps=1");
  train_refused({"--set"}, kBadUsage, "--set");
  train_refused({"--set", "threads"}, kBadUsage, "threads");
  for (const std::string verb : {"train", "check", "evaluate", "generate"}) {
    const std::string help = program_.run({verb, "--help"}).out;
    EXPECT_NE(help.find("--set KEY=VALUE"), std::string::npos) << help;
    EXPECT_NE(help.find("may be repeated"), std::string::npos) << help;
    EXPECT_EQ(help.find("..."), std::string::npos) << help;
  }
  const ProgramResult result = program_.run(
      train_command({"--set", "seed=7", "--set", "stages.list.0.windows=[8,8]", "--set", "seed=9"}));
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string stored = read_file(program_ / "run/config.yaml");
  EXPECT_NE(stored.find("seed: 9"), std::string::npos) << stored;
}

// Results that could not be written are no success.
TEST_F(CliErrors, StandardOutputOnAFullDisk) {
  const ProgramResult result = program_.run({"-c", "exec \"$0\" env --json >/dev/full", program_path()}, "",
                                            {}, "shift; set -- /bin/sh \"$@\"; ");
  expect_error(result, kFailed, "cannot write standard output: No space left on device (ENOSPC)");
}

// The kernel's own refusal to write, here past 16 blocks of 512 bytes in one file.
TEST_F(CliErrors, FilesThatMayNotGrow) {
  ASSERT_EQ(program_.run({"check", program_ / "config.yaml"}).code, 0);  // the corpus is prepared
  const ProgramResult result = program_.run(train_command(), "", {}, "trap '' XFSZ; ulimit -f 16; ");
  expect_error(result, kFailed, "File too large");
  EXPECT_TRUE(checkpoint_folders(program_ / "run").empty());
  EXPECT_EQ(program_.run(train_command({"--resume"})).code, 0);
}

}  // namespace
}  // namespace lf
