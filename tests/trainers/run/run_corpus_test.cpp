// A run and its corpus: keys that contradict a prepared folder, a corpus that was replaced, moved, or is
// prepared into a cache that cannot be trusted.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/data/documents/document_input.h"
#include "tests/program.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

class RunCorpus : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_config(program_);
    prepare("corpus", {"--newlines", "strip", "--validation", "0.1", "--test", "0.2"});
  }
  void prepare(const std::string& name, const std::vector<std::string>& more = {},
               const std::string& source = "corpus.txt") {
    fs::remove_all(program_ / name);
    std::vector<std::string> command = {"prepare", "bytes", program_ / source, "--out", program_ / name};
    command.insert(command.end(), more.begin(), more.end());
    EXPECT_EQ(program_.run(command).code, 0);
  }
  // From the test's folder, so that data.path=corpus is there.
  ProgramResult run(const std::vector<std::string>& arguments, const std::string& from = "") const {
    return program_.run(arguments, "", {}, "cd " + (program_ / from) + " && ");
  }
  ProgramResult train(const std::vector<std::string>& more = {}, const std::string& from = "") const {
    std::vector<std::string> command = {"train", program_ / "config.yaml", "--out", program_ / "run",
                                        "--set", "data.path=corpus"};
    command.insert(command.end(), more.begin(), more.end());
    return run(command, from);
  }
  static void expect_error(const ProgramResult& result, int code, const std::vector<std::string>& parts) {
    EXPECT_EQ(result.code, code) << result.err;
    for (const std::string& part : parts)
      EXPECT_NE(result.err.find(part), std::string::npos) << "no \"" << part << "\" in: " << result.err;
  }

  Program program_;
};

TEST_F(RunCorpus, ARunWhoseFoldersAreNotUtf8FindsItsCorpusFromAnywhere) {
  const std::string odd = program_ / "odd\xff";
  fs::create_directory(odd);
  fs::copy_file(program_ / "corpus.txt", odd + "/corpus.txt");
  std::string config = read_file(program_ / "config.yaml");
  const std::string path = program_ / "corpus.txt";
  config.replace(config.find(path), path.size(), "corpus.txt");
  program_.write("odd\xff/config.yaml", config);
  ASSERT_EQ(run({"train", odd + "/config.yaml", "--out", odd + "/run"}).code, 0);
  ASSERT_EQ(run({"train", "config.yaml", "--out", "inside"}, "odd\xff").code, 0);
  fs::create_directory(program_ / "elsewhere");
  for (const char* name : {"/run", "/inside"}) {
    const ProgramResult score = run({"evaluate", odd + name}, "elsewhere");
    EXPECT_EQ(score.code, 0) << score.err;
    const ProgramResult resumed =
        run({"train", odd + name + "/config.yaml", "--out", odd + name, "--resume"});
    EXPECT_EQ(resumed.code, 0) << resumed.err;
  }
}

TEST_F(RunCorpus, ACorpusWhosePathIsNotUtf8IsNamedOnTheCommandLine) {
  fs::create_directory(program_ / "odd\xff");
  fs::create_directory(program_ / "elsewhere");
  fs::copy_file(program_ / "corpus.txt", program_ / "odd\xff/corpus.txt");
  const ProgramResult trained = train({"--set", "data.path=odd\xff/corpus.txt"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const ProgramResult score = run({"evaluate", program_ / "run"}, "elsewhere");
  EXPECT_EQ(score.code, 0) << score.err;
}

// Of kind bytes a name decides whether packed bytes are the corpus: the two may not share what was prepared.
TEST_F(RunCorpus, TheSameBytesUnpackedAndAsTheyStandAreTwoCorpora) {
  const std::string packed = gzipped(read_file(program_ / "corpus.txt"));
  program_.write("packed.txt", packed);
  program_.write("corpus.txt.gz", packed);
  const auto symbols = [&](const std::string& name) {
    const ProgramResult result =
        run({"check", program_ / "config.yaml", "--json", "--set", "data.path=" + name});
    return nlohmann::json::parse(result.out).at("vocabulary").get<int>();
  };
  const int text = symbols("corpus.txt"), bytes = symbols("packed.txt");
  EXPECT_GT(bytes, text);
  EXPECT_EQ(symbols("corpus.txt.gz"), text);
}

TEST_F(RunCorpus, GivenKeysThatContradictThePreparedFolderAreRefused) {
  expect_error(train({"--set", "data.newlines=keep"}), 2,
               {"data.newlines is keep, but data.path corpus was prepared with newlines strip",
                "leave the key out", "--newlines keep"});
  expect_error(train({"--set", "data.kind=text8"}), 2, {"data.kind is text8", "with kind bytes"});
  expect_error(train({"--set", "data.split=[0.5,0.25,0.25]"}), 2,
               {"data.split is [0.5, 0.25, 0.25]", "with split [0.7, 0.1, 0.2]", "--validation 0.25"});
  expect_error(
      run({"check", program_ / "config.yaml", "--set", "data.path=corpus", "--set", "data.newlines=keep"}), 2,
      {"data.newlines is keep"});
  EXPECT_FALSE(fs::exists(program_ / "run"));
}

TEST_F(RunCorpus, TheCorpussOwnKeysAreRecordedAndReported) {
  const ProgramResult trained = train();
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::string config = read_file(program_ / "run/config.yaml");
  EXPECT_NE(config.find("newlines: strip\n  split: [0.7, 0.1, 0.2]"), std::string::npos) << config;
  const ProgramResult scored = run({"evaluate", "run", "--json"});
  ASSERT_EQ(scored.code, 0) << scored.err;
  EXPECT_EQ(nlohmann::json::parse(scored.out).at("newlines"), "strip");
  // What the run recorded is no contradiction to another corpus that is meant.
  prepare("kept");
  expect_error(run({"evaluate", "run", "--json", "--set", "data.path=kept"}), 2,
               {"holds bytes that the model's alphabet of", "does not have: 0x0A"});
  expect_error(run({"evaluate", "run", "--set", "data.newlines=keep"}), 2, {"data.newlines is keep"});
  EXPECT_EQ(train({"--resume"}).code, 0);
}

TEST_F(RunCorpus, AReplacedCorpusIsNoticed) {
  ASSERT_EQ(train().code, 0);
  fs::rename(program_ / "corpus", program_ / "original");
  prepare("corpus", {"--newlines", "strip"});  // of the same text, cut elsewhere
  expect_error(run({"evaluate", "run"}), 2,
               {"corpus has changed since", "--set data.path=", "--allow-other-data"});
  for (const std::vector<std::string>& told : {std::vector<std::string>{"--set", "data.path=corpus"},
                                               std::vector<std::string>{"--allow-other-data"}}) {
    std::vector<std::string> command = {"evaluate", "run"};
    command.insert(command.end(), told.begin(), told.end());
    const ProgramResult scored = run(command);
    EXPECT_EQ(scored.code, 0) << scored.err;
    EXPECT_NE(scored.err.find("is not the corpus that"), std::string::npos) << scored.err;
  }
  // Other symbols: the corpus is to blame, not the shape of a tensor.
  program_.write("letters.txt", std::string(3000, '\1') + std::string(3000, '\2') + std::string(3000, '\3'));
  prepare("corpus", {}, "letters.txt");
  for (const char* told : {"--allow-other-data", "--set=data.path=corpus"})
    expect_error(run({"evaluate", "run", told}), 2, {"the model's alphabet of", "does not have: 0x01"});
}

// One byte less shifts every token; the same text must have the same score all the same.
TEST_F(RunCorpus, TokensAreTheRunsWhateverAlphabetTheOtherCorpusHas) {
  ASSERT_EQ(train().code, 0);
  const auto bits = [&](const std::string& corpus) {
    const ProgramResult scored = run({"evaluate", "run", "--json", "--set", "data.path=" + corpus});
    EXPECT_EQ(scored.code, 0) << scored.err;
    return nlohmann::json::parse(scored.out).at("bits_per_character").get<double>();
  };
  const std::string text = read_file(program_ / "corpus.txt");
  const size_t end = text.size() - text.size() / 5;  // the test split stays
  std::string fewer = text;
  const std::vector<uint8_t> symbols =
      nlohmann::json::parse(read_file(program_ / "corpus/corpus.json")).at("symbols");
  const auto gone = std::find_if(symbols.begin(), symbols.end(), [&](uint8_t symbol) {
    return text.find(static_cast<char>(symbol), end) == text.npos;
  });
  ASSERT_TRUE(gone != symbols.end() && *gone != symbols.back()) << "the text has no such symbol";
  std::replace(fewer.begin(), fewer.end(), static_cast<char>(*gone), static_cast<char>(symbols.back()));
  program_.write("fewer.txt", fewer);
  prepare("fewer", {"--newlines", "strip", "--validation", "0.1", "--test", "0.2"}, "fewer.txt");
  EXPECT_EQ(bits("fewer"), bits("corpus"));
}

TEST_F(RunCorpus, AModelNeedsNoCorpusToWrite) {
  ASSERT_EQ(train().code, 0);
  const ProgramResult before = run({"generate", "run", "--length", "9", "--greedy"});
  ASSERT_EQ(before.code, 0) << before.err;
  fs::remove_all(program_ / "corpus");
  fs::create_directory(program_ / "elsewhere");
  const ProgramResult after = run({"generate", program_ / "run", "--length", "9", "--greedy"}, "elsewhere");
  EXPECT_EQ(after.code, 0) << after.err;
  EXPECT_EQ(after.out, before.out);
}

TEST_F(RunCorpus, ARunGoesOnWithFurtherStages) {
  ASSERT_EQ(train().code, 0);
  const std::string config = read_file(program_ / "run/config.yaml");
  const auto further = [&](const std::string& setting) {
    return run({"train", program_ / "run/config.yaml", "--out", "run", "--resume", "--set", setting});
  };
  const auto stages =
      nlohmann::json::parse(run({"check", "run/config.yaml", "--json"}).out).at("stages").size();
  expect_error(further("stages.list.0.steps=99"), 2,
               {"stages.list.0.steps", "to train on, give it a further stage"});
  EXPECT_EQ(read_file(program_ / "run/config.yaml"), config);
  const ProgramResult more =
      further(text("stages.list.", stages, "={name: more, sequence_length: 16, windows: 4, batch_size: 2, ",
                   "learning_rate: 1.0e-3, steps: 2}"));
  EXPECT_EQ(more.code, 0) << more.err;
  EXPECT_NE(read_file(program_ / "run/config.yaml").find("name: more"), std::string::npos);
  EXPECT_NE(read_file(program_ / "run/log.jsonl").find("\"name\":\"more\""), std::string::npos);
  EXPECT_EQ(run({"train", program_ / "run/config.yaml", "--out", "run", "--resume"}).code, 0);
}

TEST_F(RunCorpus, AMovedCorpusIsNamedAndResumedFromElsewhere) {
  ASSERT_EQ(train().code, 0);
  fs::create_directory(program_ / "elsewhere");
  const std::vector<std::string> parts = {program_ / "elsewhere/corpus", "--set data.path="};
  EXPECT_EQ(run({"evaluate", program_ / "run"}, "elsewhere").code, 0) << "a run's own paths are absolute";
  EXPECT_EQ(train({"--resume"}, "elsewhere").code, 0) << "a configuration's start at its folder, too";
  fs::rename(program_ / "corpus", program_ / "moved");
  expect_error(train({"--resume"}, "elsewhere"), 1, parts);
  fs::rename(program_ / "moved", program_ / "corpus");
  prepare("other", {"--newlines", "strip", "--validation", "0.1", "--test", "0.2"}, "config.yaml");
  const std::string before = read_file(program_ / "run/config.yaml");
  expect_error(train({"--resume", "--set", "data.path=" + (program_ / "other")}, "elsewhere"), 2,
               {"data.path " + (program_ / "other"), "is not what it was trained on"});
  EXPECT_EQ(read_file(program_ / "run/config.yaml"), before);
  const ProgramResult resumed =
      train({"--resume", "--set", "data.path=" + (program_ / "corpus")}, "elsewhere");
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(read_file(program_ / "run/config.yaml").find(program_ / "corpus"), std::string::npos);
}

TEST_F(RunCorpus, NothingIsPreparedOverARunOrAnotherCorpus) {
  ASSERT_EQ(train().code, 0);
  program_.write("other.txt", std::string(30000, 'x') + "yz");
  const auto over = [&](const std::string& source, const std::string& folder) {
    return run({"prepare", "bytes", source, "--out", folder});
  };
  expect_error(over("corpus.txt", "run"), 2, {"run exists already and holds a run", "name a new folder"});
  expect_error(run({"prepare", "enwik8", "--download", "--out", "run"}), 2, {"holds a run"});
  EXPECT_FALSE(fs::exists(program_ / "run/corpus.json"));
  const std::string before = read_file(program_ / "corpus/corpus.json");
  expect_error(over("other.txt", "corpus"), 2,
               {"corpus exists already", "another source", "name a new folder"});
  EXPECT_EQ(read_file(program_ / "corpus/corpus.json"), before);
  EXPECT_EQ(run({"evaluate", "run"}).code, 0);
  EXPECT_EQ(over("corpus.txt", "corpus").code, 0) << "the same source, with other settings";
  program_.write("corpus/corpus.json", "damaged");
  EXPECT_EQ(over("other.txt", "corpus").code, 0) << "what cannot be read is mended by preparing again";
}

TEST_F(RunCorpus, TheCacheWithoutAHomeIsTheUsersOwn) {
  const auto check = [&](const std::vector<std::string>& variables) {
    return program_.run({"check", program_ / "config.yaml"}, "", variables);
  };
  fs::create_directory(program_ / "tmp");
  const std::vector<std::string> homeless = {"XDG_CACHE_HOME=", "HOME=", "TMPDIR=" + (program_ / "tmp")};
  const std::string own = program_ / ("tmp/longform-" + std::to_string(::geteuid()));
  EXPECT_EQ(check(homeless).code, 0);
  struct stat made = {};
  ASSERT_EQ(::stat(own.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777, 0700u);
  ASSERT_EQ(::chmod(own.c_str(), 0777), 0);  // somebody else could have written into it
  expect_error(check(homeless), 1, {own, "XDG_CACHE_HOME"});
  fs::remove_all(own);
  fs::create_directory_symlink(program_ / "corpus", own);
  expect_error(check(homeless), 1, {own, "XDG_CACHE_HOME"});
  const std::vector<std::string> unwritable = {"XDG_CACHE_HOME=/proc/nowhere",
                                               "TMPDIR=" + (program_ / "tmp")};
  expect_error(check(unwritable), 1, {"/proc/nowhere", own, "XDG_CACHE_HOME"});
  fs::remove(own);
  expect_error(check(unwritable), 0, {"warning: ", "/proc/nowhere", own, "XDG_CACHE_HOME"});
  if (::geteuid() != 0) return;
  fs::remove_all(own);
  fs::create_directory(own);
  ASSERT_EQ(::chmod(own.c_str(), 0700), 0);
  ASSERT_EQ(::chown(own.c_str(), 65534, 65534), 0);
  expect_error(check(homeless), 1, {own, "XDG_CACHE_HOME"});
}

}  // namespace
}  // namespace lf
