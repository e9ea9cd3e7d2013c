// What the program says to people: levels by --quiet and --verbose for every verb, and the run's own file.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/files.h"
#include "tests/program.h"

namespace lf {
namespace {

class CliMessages : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_config(program_); }

  ProgramResult train(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"train", program_ / "config.yaml", "--out", program_ / "run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return program_.run(arguments);
  }
  std::string log() const { return read_file(program_ / "run/messages.log"); }

  Program program_;
};

#define EXPECT_HAS(text, part) EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, text)
#define EXPECT_HAS_NOT(text, part) EXPECT_PRED_FORMAT2(::testing::IsNotSubstring, part, text)

TEST_F(CliMessages, OfARunAreInItsFolderToo) {
  const ProgramResult plain = train();
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_HAS(plain.err, "stage 1/2  step 1/");
  EXPECT_HAS(plain.err, "stage 2/2: validation ");
  EXPECT_HAS_NOT(plain.err, ": saved ");
  EXPECT_HAS(log(), " info: stage 2/2: validation ");
  EXPECT_HAS(log(), " debug: step 5: saved ");
  EXPECT_HAS_NOT(log(), "step 1/");
  // A further attempt goes on in the same file, to the error that ends it.
  const std::string before = log();
  std::filesystem::remove_all(program_ / "run/checkpoints");
  std::filesystem::remove(program_ / "run/latest");
  program_.write("run/checkpoints", "no folder");
  const ProgramResult failed = train({"--resume"});
  EXPECT_EQ(failed.code, 1) << failed.err;
  EXPECT_TRUE(log().starts_with(before));
  const std::string error = failed.err.substr(failed.err.find("error: "));
  EXPECT_HAS(log(), " " + error.substr(0, error.find('\n')));
}

TEST_F(CliMessages, QuietAndVerbose) {
  const ProgramResult quiet = train({"--quiet"});
  EXPECT_EQ(quiet.code, 0);
  EXPECT_EQ(quiet.err, "");
  EXPECT_HAS(log(), " info: stage 2/2: validation ");
  const ProgramResult verbose = program_.run({"evaluate", program_ / "run", "--verbose", "--json"});
  EXPECT_EQ(verbose.code, 0) << verbose.err;
  EXPECT_HAS(verbose.err, "opened " + (program_ / "run/checkpoints/step-"));
  EXPECT_EQ(lines_of(verbose.out).size(), 1u);
  EXPECT_FALSE(nlohmann::json::parse(verbose.out, nullptr, false).is_discarded());
  const ProgramResult silent = program_.run({"evaluate", program_ / "run", "--quiet"});
  EXPECT_EQ(silent.err, "");
  EXPECT_HAS(silent.out, "bits per character");
  const ProgramResult error = program_.run({"evaluate", program_ / "none", "--quiet"});
  EXPECT_EQ(error.code, 2);
  EXPECT_TRUE(error.err.starts_with("error: ")) << error.err;
}

TEST_F(CliMessages, EveryVerbHasBothAndNotAtOnce) {
  for (const char* verb : {"train", "evaluate", "generate", "check", "prepare", "tokenize", "convert",
                           "predict", "inspect", "plot", "bench", "env"}) {
    const ProgramResult help = program_.run({verb, "--help"});
    EXPECT_HAS(help.out, "--quiet");
    EXPECT_HAS(help.out, "--verbose");
  }
  const ProgramResult both = program_.run({"env", "--quiet", "--verbose"});
  EXPECT_EQ(both.code, 2);
  EXPECT_HAS(both.err, "error: ");
  EXPECT_EQ(program_.run({"env", "--quiet"}).code, 0);
  EXPECT_EQ(program_.run({"prepare", "documents", "--help"}).code, 0);
}

}  // namespace
}  // namespace lf
