// `longform evaluate`, `predict` and `generate` of several processes: they answer what one answers, byte for
// byte, and an error, a lost rank or a signal ends all of them.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/seconds.h"
#include "tests/cli/started_ranks.h"
#include "tests/tiny_model.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

class RanksAnswersCli : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access(LF_MPIEXEC, X_OK) != 0) GTEST_SKIP() << "no " << LF_MPIEXEC;
  }

  ProgramResult run(std::vector<std::string> arguments, int ranks, const std::string& input = "") const {
    std::vector<std::string> variables = kRanksEnvironment;
    variables.push_back(std::string("LF_MPIRUN=") + LF_MPIEXEC);
    if (ranks > 1) arguments.insert(arguments.end(), {"--ranks", std::to_string(ranks)});
    return program_.run(arguments, input, variables);
  }
  // What one process says, which so many others must say as well.
  std::string same_answers(const std::vector<std::string>& arguments, std::initializer_list<int> counts,
                           const std::string& input = "") const {
    const ProgramResult one = run(arguments, 1, input);
    EXPECT_EQ(one.code, 0) << one.err;
    EXPECT_FALSE(one.out.empty());
    for (const int ranks : counts) {
      const ProgramResult all = run(arguments, ranks, input);
      EXPECT_EQ(all.code, 0) << all.err;
      EXPECT_EQ(all.out, one.out) << ranks << " ranks";
      EXPECT_EQ(all.err, one.err) << ranks << " ranks";
    }
    return one.out;
  }
  // The same of a file that is written.
  void same_file(std::vector<std::string> arguments, int ranks) const {
    arguments.insert(arguments.end(), {"--out", program_ / "out"});
    std::string expected, said;
    for (const int count : {1, ranks}) {
      fs::remove(program_ / "out");
      const ProgramResult result = run(arguments, count);
      ASSERT_EQ(result.code, 0) << result.err;
      EXPECT_EQ(result.out, "");
      if (count == 1) {
        expected = read_file(program_ / "out");
        said = result.err;
      } else {
        EXPECT_EQ(read_file(program_ / "out"), expected);
        EXPECT_EQ(result.err, said);
      }
    }
  }
  ProgramResult started(int ranks, const std::vector<std::string>& arguments,
                        const std::string& before = "") {
    ChildProcess child = start(ranks, arguments, before);
    const int code = child.wait();
    return {code, read_file(program_ / "output.txt"), ""};
  }
  ChildProcess start(int ranks, const std::vector<std::string>& arguments, const std::string& before = "") {
    fs::remove(program_ / "output.txt");
    std::vector<std::string> environment = kRanksEnvironment;
    environment.push_back("XDG_CACHE_HOME=" + (program_ / "cache"));
    return ChildProcess(ranks_command(LF_MPIEXEC, ranks, program_, arguments, before),
                        program_ / "output.txt", environment);
  }
  void train_tiny_run() {
    write_tiny_config(program_);
    const ProgramResult trained =
        program_.run({"train", program_ / "config.yaml", "--out", program_ / "run"});
    ASSERT_EQ(trained.code, 0) << trained.err;
  }
  // Records of ids, of lengths that differ a lot.
  void write_ragged(const std::string& name, int count, int most) const {
    std::string lines;
    for (int n = 0; n < count; ++n) {
      nlohmann::json ids = nlohmann::json::array();
      for (int i = 0; i < (n % 5 == 0 ? most : 3 + n % 7); ++i) ids.push_back(5 + (i * 31 + n * 57) % 300);
      ids.back() = 340 - n % 2;
      lines += nlohmann::json({{"id", text("r", n)}, {"ids", ids}}).dump() + "\n";
    }
    program_.write(name, lines);
  }

  Program program_;
};

TEST_F(RanksAnswersCli, ScoresAreThoseOfOneProcess) {
  train_tiny_run();
  const std::string score = same_answers({"evaluate", program_ / "run", "--json", "--quiet"}, {2, 3});
  EXPECT_NE(score.find("\"bits_per_character\":"), std::string::npos) << score;
  same_answers({"evaluate", program_ / "config.yaml", "--split", "validation", "--quiet"}, {3});
}

TEST_F(RanksAnswersCli, PredictionsAreThoseOfOneProcess) {
  write_tiny_model(program_ / "model", "longformer");
  write_ragged("records.jsonl", 23, 60);
  for (const char* what : {"hidden", "logits", "attention"})
    same_file({"predict", program_ / "model", program_ / "records.jsonl", "--what", what}, 3);
  std::string texts;
  for (int n = 0; n < 9; ++n)
    texts += nlohmann::json({{"text", n % 4 == 3 ? "no mask" : "yes <mask> and <mask> no"}}).dump() + "\n";
  program_.write("texts.jsonl", texts);
  const std::string lines =
      same_answers({"predict", program_ / "model", program_ / "texts.jsonl", "--top", "2"}, {2});
  EXPECT_EQ(lines_of(lines).size(), 9u);
  same_file({"predict", program_ / "model", program_ / "texts.jsonl"}, 4);
}

TEST_F(RanksAnswersCli, TextsAreThoseOfOneProcess) {
  train_tiny_run();
  std::string prompts;
  for (int n = 0; n < 7; ++n)
    prompts +=
        nlohmann::json({{"id", n}, {"text", std::string(static_cast<size_t>(1 + n * 9 % 40), 'e')}}).dump() +
        "\n";
  // Standard input is rank 0's alone.
  const std::string drawn = same_answers(
      {"generate", program_ / "run", "--input", "-", "--length", "20", "--seed", "3"}, {2, 3}, prompts);
  EXPECT_EQ(lines_of(drawn).size(), 7u);
  same_answers({"generate", program_ / "run", "--prompt", "the ", "--length", "9"}, {2});

  write_tiny_seq2seq(program_ / "led", "led");
  write_ragged("sources.jsonl", 11, 90);
  for (const std::vector<std::string>& how :
       // One source at a time: beside others the last digits of scores may differ.
       {std::vector<std::string>{"--beams", "3", "--rows", "3"},
        std::vector<std::string>{"--sample", "--seed", "5", "--rows", "1"}}) {
    std::vector<std::string> arguments = {
        "generate", program_ / "led", "--input", program_ / "sources.jsonl", "--length", "12"};
    arguments.insert(arguments.end(), how.begin(), how.end());
    const std::vector<std::string> lines = lines_of(same_answers(arguments, {2, 3}));
    ASSERT_EQ(lines.size(), 11u);
    for (size_t n = 0; n < lines.size(); ++n)
      EXPECT_EQ(nlohmann::json::parse(lines[n]).at("id"), text("r", n)) << "not in the records' order";
  }
  const auto texts = [&](int ranks) {
    std::string result;
    const std::string answers =
        run({"generate", program_ / "led", "--input", program_ / "sources.jsonl", "--length", "12"}, ranks)
            .out;
    for (const std::string& line : lines_of(answers)) {
      nlohmann::json answer = nlohmann::json::parse(line);
      answer.erase("score");
      result += answer.dump() + "\n";
    }
    return result;
  };
  EXPECT_EQ(texts(3), texts(1));
}

TEST_F(RanksAnswersCli, AnErrorEndsAllAndIsSaidOnce) {
  write_tiny_model(program_ / "model", "longformer");
  write_ragged("records.jsonl", 12, 60);
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& part) {
    const ProgramResult result = run(arguments, 3);
    // Open MPI says 1 of ranks that end before it knows them.
    const bool unknown = result.err.find("exiting improperly") != std::string::npos;
    EXPECT_TRUE(result.code == code || (unknown && result.code == 1)) << result.code << result.err;
    EXPECT_EQ(errors_in(result.err), 1) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(program_ / "out"));
  };
  const std::string model = program_ / "model", records = program_ / "records.jsonl";
  refused({"predict", model, program_ / "none.jsonl"}, 1, "none.jsonl");
  refused({"predict", program_ / "none", records}, 2, "none");
  refused({"predict", model, records, "--what", "sense"}, 2, "--what is sense; needed");
  refused({"predict", model, records, "--what", "hidden"}, 2, "name the file with --out");
  refused({"evaluate", model, "--split", "x"}, 2, "--split is x");
  // One record that the model cannot read, which is some rank's.
  program_.write("bad.jsonl", read_file(records) + "{\"ids\": [4000]}\n" + "{\"ids\": [4]}\n");
  refused({"predict", model, program_ / "bad.jsonl", "--what", "attention", "--out", program_ / "out"}, 1,
          "bad.jsonl:13: ");
  EXPECT_NE(program_.run({"predict", model, records, "--ranks", "2"}, "", {"OMPI_COMM_WORLD_SIZE=2"})
                .err.find("--ranks starts ranks; leave the launcher out"),
            std::string::npos);
}

TEST_F(RanksAnswersCli, RanksThatOpenSomethingElseAreRefused) {
  train_tiny_run();
  const std::string last = "if [ $RANK = 2 ]; then set -- \"$@\" ";
  const ProgramResult other_weights =
      started(3, {"evaluate", program_ / "run"}, last + "--checkpoint step-000000003; fi; ");
  EXPECT_EQ(other_weights.code, 2) << other_weights.out;
  EXPECT_NE(other_weights.out.find("rank 2 on "), std::string::npos) << other_weights.out;
  EXPECT_EQ(errors_in(other_weights.out), 1) << other_weights.out;
  const ProgramResult other_settings =
      started(3, {"evaluate", program_ / "run"}, last + "--set evaluation.step=64; fi; ");
  EXPECT_EQ(other_settings.code, 2) << other_settings.out;
  EXPECT_NE(other_settings.out.find("was given other arguments than rank 0"), std::string::npos)
      << other_settings.out;
  EXPECT_EQ(errors_in(other_settings.out), 1) << other_settings.out;
}

TEST_F(RanksAnswersCli, ALostRankAndASignalEndAll) {
  train_tiny_run();
  const std::vector<std::string> endless = {"generate", program_ / "run", "--prompt",
                                            "a",        "--length",       "10000000"};
  const auto wait_for_start = [&](ChildProcess& child) {
    while (!fs::exists(program_ / "pid.1")) ASSERT_FALSE(child.ended_within(0.01));
    ASSERT_FALSE(child.ended_within(2)) << read_file(program_ / "output.txt");
  };
  {
    ChildProcess child = start(2, endless);
    wait_for_start(child);
    ::kill(std::stoi(read_file(program_ / "pid.1")), SIGKILL);
    EXPECT_NE(child.wait(), 0);
    const std::string output = read_file(program_ / "output.txt");
    EXPECT_NE(output.find("error: rank 1 ("), std::string::npos) << output;
    EXPECT_EQ(errors_in(output), 1) << output;
  }
  fs::remove(program_ / "pid.1");
  // Of the command that has become the launcher.
  std::vector<std::string> environment = kRanksEnvironment, command = {program_path()};
  environment.push_back(std::string("LF_MPIRUN=") + LF_MPIEXEC);
  command.insert(command.end(), endless.begin(), endless.end());
  command.insert(command.end(), {"--ranks", "2"});
  ChildProcess child(command, program_ / "output.txt", environment);
  ASSERT_FALSE(child.ended_within(3));
  const double start_of_wait = seconds_now();
  child.kill(SIGTERM);
  EXPECT_NE(child.wait(), 0);
  EXPECT_LT(seconds_now() - start_of_wait, 10);
}

}  // namespace
}  // namespace lf
