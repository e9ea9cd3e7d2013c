// Every verb as a user runs it: exit codes, what standard output and standard error hold, the promised
// fields.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <cmath>

#include "tests/program.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Cli : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_config(program_); }

  // Trains the tiny configuration into `run`.
  void train() {
    const ProgramResult result = program_.run({"train", program_ / "config.yaml", "--out", program_ / "run"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out, "");
  }

  // Runs with --json: exit 0 and nothing but one JSON value on standard output.
  json run_json(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const ProgramResult result = program_.run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(lines_of(result.out).size(), 1u) << result.out;
    const json value = json::parse(result.out, nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << result.out;
    return value;
  }

  ProgramResult run_well(const std::vector<std::string>& arguments, const std::string& input = "") {
    const ProgramResult result = program_.run(arguments, input);
    EXPECT_EQ(result.code, 0) << result.err;
    return result;
  }

  Program program_;
};

TEST_F(Cli, HelpAndVersionAreNoErrors) {
  const ProgramResult help = run_well({"--help"});
  for (const char* verb :
       {"train", "evaluate", "generate", "check", "prepare", "tokenize", "inspect", "plot", "bench", "env"}) {
    EXPECT_NE(help.out.find(verb), std::string::npos) << verb;
    const ProgramResult of_verb = run_well({verb, "--help"});
    EXPECT_NE(of_verb.out.find(verb), std::string::npos);
    EXPECT_EQ(of_verb.err, "");
  }
  EXPECT_NE(run_well({"generate", "--help"}).out.find("500"), std::string::npos) << "defaults are not shown";
  EXPECT_EQ(run_well({"--version"}).out, "0.1.0\n");
}

TEST_F(Cli, TrainWritesARunAndResumesIt) {
  train();
  for (const char* name : {"config.yaml", "log.jsonl", "timing.jsonl", "latest", "best"})
    EXPECT_TRUE(fs::exists(program_ / (std::string("run/") + name))) << name;
  int steps = 0, stage_ends = 0;
  for (const std::string& line : lines_of(read_file(program_ / "run/log.jsonl"))) {
    const json record = json::parse(line);
    steps += record.at("event") == "step";
    if (record.at("event") == "stage_end") {
      ++stage_ends;
      EXPECT_GT(record.at("test_bits_per_character").get<double>(), 1);
    }
  }
  EXPECT_EQ(steps, 5);
  EXPECT_EQ(stage_ends, 2);
  // A finished run has nothing left to do.
  const std::string log = read_file(program_ / "run/log.jsonl");
  run_well({"train", program_ / "config.yaml", "--out", program_ / "run", "--resume"});
  EXPECT_EQ(read_file(program_ / "run/log.jsonl"), log);
}

TEST_F(Cli, TrainTakesOverrides) {
  run_well({"train", program_ / "config.yaml", "--out", program_ / "run", "--set", "stages.count=1", "--set",
            "stages.list.0.steps=1"});
  EXPECT_NE(read_file(program_ / "run/config.yaml").find("count: 1"), std::string::npos);
}

TEST_F(Cli, EvaluateScoresARun) {
  train();
  const json result = run_json({"evaluate", program_ / "run"});
  EXPECT_EQ(result.at("split"), "test");
  EXPECT_EQ(result.at("protocol").at("sequence_length"), 256);
  EXPECT_EQ(result.at("protocol").at("step"), 128);
  EXPECT_EQ(result.at("characters"), 999);  // 1000 of 20000, and the first is not predicted
  EXPECT_NEAR(result.at("loss_nats").get<double>() / std::log(2.0),
              result.at("bits_per_character").get<double>(), 1e-9);
  EXPECT_EQ(result.at("step"), 5);
  EXPECT_EQ(result.at("stage"), "b");
  // The figure that the run logged for its last stage.
  const json last = json::parse(lines_of(read_file(program_ / "run/log.jsonl")).back());
  EXPECT_EQ(result.at("bits_per_character"), last.at("test_bits_per_character"));

  EXPECT_EQ(run_json({"evaluate", program_ / "run", "--split", "validation"}).at("split"), "validation");
  EXPECT_EQ(run_json({"evaluate", program_ / "run", "--checkpoint", "best"}).at("split"), "test");
  const json other = run_json({"evaluate", program_ / "run", "--set", "evaluation.step=64"});
  EXPECT_EQ(other.at("protocol").at("step"), 64);
  EXPECT_EQ(other.at("characters"), 999);
  const json batched = run_json({"evaluate", program_ / "run", "--set", "evaluation.batch_size=3"});
  EXPECT_NEAR(batched.at("bits_per_character").get<double>() / result.at("bits_per_character").get<double>(),
              1, 1e-6);
  const ProgramResult plain = run_well({"evaluate", program_ / "run"});
  EXPECT_NE(plain.out.find("bits per character"), std::string::npos);
}

TEST_F(Cli, EvaluateScoresAConfigurationsInitialWeights) {
  const json result = run_json({"evaluate", program_ / "config.yaml"});
  EXPECT_NEAR(result.at("bits_per_character").get<double>(), 7, 1.5);  // near log2 of the alphabet
}

TEST_F(Cli, CheckPredictsEveryStage) {
  const json result = run_json({"check", program_ / "config.yaml"});
  EXPECT_GT(result.at("parameters").get<int64_t>(), 10000);
  EXPECT_EQ(result.at("characters").at("train"), 18000);
  ASSERT_EQ(result.at("stages").size(), 2u);
  const json& stage = result.at("stages")[1];
  EXPECT_EQ(stage.at("name"), "b");
  EXPECT_EQ(stage.at("sequence_length"), 96);
  EXPECT_EQ(stage.at("windows"), json({16, 16}));
  EXPECT_EQ(stage.at("dilation"), json({1, 2}));
  EXPECT_EQ(stage.at("steps"), 2);
  for (const char* key : {"memory_bytes", "seconds", "disk_bytes"})
    EXPECT_GT(stage.at(key).get<double>(), 0) << key;
  EXPECT_FALSE(fs::exists(program_ / "run"));
  EXPECT_NE(run_well({"check", program_ / "config.yaml"}).out.find("parameters"), std::string::npos);
}

TEST_F(Cli, CheckWarnsOnStandardError) {
  const ProgramResult result =
      run_well({"check", program_ / "config.yaml", "--json", "--set", "evaluation.sequence_length=5000"});
  EXPECT_NE(result.err.find("warning: evaluation.sequence_length 5000 exceeds the test split"),
            std::string::npos)
      << result.err;
  EXPECT_FALSE(json::parse(result.out).at("warnings").empty());
}

TEST_F(Cli, CheckWritesTheReference) {
  run_well({"check", "--write-reference", program_.folder().path()});
  EXPECT_NE(read_file(program_ / "config.md").find("sequence_length"), std::string::npos);
  EXPECT_TRUE(json::parse(read_file(program_ / "config.schema.json")).is_object());
}

TEST_F(Cli, GenerateWritesText) {
  train();
  const std::vector<std::string> command = {"generate", program_ / "run", "--prompt",
                                            "the ",     "--length",       "40"};
  const auto with_option = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = command;
    all.insert(all.end(), more.begin(), more.end());
    return run_well(all).out;
  };
  const std::string first = with_option({});
  EXPECT_EQ(first.rfind("the ", 0), 0u) << first;
  EXPECT_EQ(first.size(), 4u + 40 + 1);  // prompt, one byte a token, line end
  EXPECT_EQ(with_option({}), first) << "the same seed writes the same text";
  EXPECT_NE(with_option({"--seed", "2"}), first);
  EXPECT_EQ(with_option({"--greedy"}), with_option({"--greedy", "--seed", "2"}));
  EXPECT_EQ(with_option({"--top-k", "1"}), with_option({"--greedy"}));
  program_.write("settings.json", R"({"do_sample": false})");
  EXPECT_EQ(with_option({"--generation", program_ / "settings.json"}), with_option({"--greedy"}));
  EXPECT_FALSE(run_well({"generate", program_ / "run", "--length", "5"}).out.empty()) << "no prompt";
}

// Flags win over the settings' file, which wins over the defaults.
TEST_F(Cli, GenerateFlagsWinOverTheFile) {
  train();
  program_.write("settings.json", R"({"max_new_tokens": 9, "seed": 5})");
  const auto tokens = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"generate", program_ / "run", "--generation", program_ / "settings.json"};
    all.insert(all.end(), more.begin(), more.end());
    return run_json(all).at("output_ids").size();
  };
  EXPECT_EQ(tokens({}), 9u);
  EXPECT_EQ(tokens({"--length", "6"}), 6u);
}

TEST_F(Cli, GenerateRecords) {
  train();
  const json record = run_json({"generate", program_ / "run", "--prompt", "a", "--length", "7"});
  EXPECT_EQ(record.at("id"), "0");
  EXPECT_EQ(record.at("output_ids").size(), 7u);
  EXPECT_LT(record.at("score").get<double>(), 0);
  EXPECT_EQ(record.at("text").get<std::string>().rfind("a", 0), 0u);

  const std::string input = "{\"id\": \"x\", \"text\": \"the\"}\n\n{\"id\": 2, \"text\": \"\"}\n";
  program_.write("prompts.jsonl", input);
  const std::vector<std::string> command = {"generate", program_ / "run", "--length", "7", "--input"};
  std::vector<std::string> from_file = command, from_standard_input = command;
  from_file.push_back(program_ / "prompts.jsonl");
  from_standard_input.push_back("-");
  const ProgramResult result = run_well(from_file);
  EXPECT_EQ(run_well(from_standard_input, input).out, result.out);
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(json::parse(lines[0]).at("id"), "x");
  EXPECT_EQ(json::parse(lines[0]).at("text").get<std::string>().rfind("the", 0), 0u);
  EXPECT_EQ(json::parse(lines[1]).at("id"), "2");
}

TEST_F(Cli, InspectSaysWhatItHolds) {
  train();
  const json run = run_json({"inspect", program_ / "run"});
  EXPECT_EQ(run.at("kind"), "run");
  EXPECT_EQ(run.at("problems"), json::array());
  ASSERT_FALSE(run.at("checkpoints").empty());
  const std::string latest = run.at("latest");
  const json checkpoint = run_json({"inspect", latest});
  EXPECT_EQ(checkpoint.at("kind"), "checkpoint");
  EXPECT_EQ(checkpoint.at("step"), 5);
  EXPECT_EQ(checkpoint.at("files").size(), 2u);
  const json tensors = run_json({"inspect", latest + "/model.safetensors"});
  EXPECT_EQ(tensors.at("kind"), "safetensors");
  EXPECT_EQ(tensors.at("tensors")[0].at("name"), "embedding.weight");
  run_well({"prepare", "bytes", program_ / "corpus.txt", "--out", program_ / "corpus"});
  EXPECT_EQ(run_json({"inspect", program_ / "corpus"}).at("problems"), json::array());
  const json tokens = run_json({"inspect", program_ / "corpus/train.tokens"});
  EXPECT_EQ(tokens.at("kind"), "tokens");
  EXPECT_EQ(tokens.at("tokens"), 18000);
  for (const std::string& path : {program_ / "run", latest, latest + "/model.safetensors",
                                  program_ / "corpus", program_ / "corpus/train.tokens"}) {
    EXPECT_FALSE(run_well({"inspect", path}).out.empty()) << path;
  }
}

TEST_F(Cli, PlotDrawsRuns) {
  train();
  EXPECT_EQ(run_well({"plot", program_ / "run"}).out, program_ / "run/curve.svg\n");
  run_well({"plot", program_ / "run", program_ / "run", "--out", program_ / "both.svg"});
  for (const char* name : {"run/curve.svg", "both.svg"})
    EXPECT_NE(read_file(program_ / name).find("<svg"), std::string::npos) << name;
}

TEST_F(Cli, EnvDescribesTheMachine) {
  const json env = run_json({"env"});
  for (const char* key :
       {"version", "build", "compiler", "cpu", "threads", "simd", "memory_bytes", "onednn", "cuda"})
    EXPECT_TRUE(env.contains(key)) << key;
  EXPECT_NE(run_well({"env"}).out.find("simd"), std::string::npos);
}

TEST_F(Cli, PrepareReportsTheCorpus) {
  const json result = run_json(
      {"prepare", "bytes", program_ / "corpus.txt", "--out", program_ / "corpus", "--newlines", "strip"});
  EXPECT_EQ(result.at("newlines"), "strip");
  EXPECT_TRUE(fs::exists(program_ / "corpus/train.tokens"));
  const ProgramResult plain =
      run_well({"prepare", "bytes", program_ / "corpus.txt", "--out", program_ / "other"});
  EXPECT_NE(plain.out.find("18000"), std::string::npos) << plain.out;
  // The folder is a corpus for every other verb.
  run_well({"check", program_ / "config.yaml", "--set", "data.path=" + (program_ / "corpus")});
}

TEST_F(Cli, BenchAttentionListsEveryCase) {
  const json rows = run_json({"bench", "attention", "--length", "64,128", "--window", "8,16", "--heads", "2",
                              "--head-width", "8", "--repeats", "1", "--causal", "--relative", "--figure",
                              program_ / "attention.svg"});
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1].at("length"), 128);
  EXPECT_EQ(rows[1].at("window"), 8);
  EXPECT_EQ(rows[1].at("dtype"), "f32");
  for (const json& row : rows) {
    for (const char* key : {"forward_ms", "backward_ms", "peak_bytes"})
      EXPECT_GT(row.at(key).get<double>(), 0);
  }
  EXPECT_NE(read_file(program_ / "attention.svg").find("<svg"), std::string::npos);
  const json bf16 = run_json({"bench", "attention", "--length", "64", "--window", "8", "--dtype", "bf16"});
  EXPECT_EQ(bf16[0].at("dtype"), "bf16");
}

TEST_F(Cli, BenchTrainAndGenerate) {
  const json updates = run_json({"bench", "train", program_ / "config.yaml", "--steps", "2", "--stage", "2"});
  EXPECT_EQ(updates.at("stage"), "b");
  for (const char* key :
       {"seconds_best", "seconds_median", "tokens_per_second", "tflops", "peak_bytes", "peak_rss_bytes"})
    EXPECT_GT(updates.at(key).get<double>(), 0) << key;
  EXPECT_TRUE(updates.at("mfu").is_null());
  EXPECT_FALSE(updates.contains("profile"));
  const json profiled = run_json({"bench", "train", program_ / "config.yaml", "--steps", "3", "--profile"});
  const json& phases = profiled.at("profile").at("phases");
  ASSERT_EQ(phases.size(), 5u) << phases;
  EXPECT_EQ(phases[1].at("phase"), "forward");
  EXPECT_EQ(phases[1].at("calls"), 6);  // two micro-batches of each of three updates
  const ProgramResult printed =
      run_well({"bench", "train", program_ / "config.yaml", "--steps", "1", "--profile"});
  EXPECT_NE(printed.out.find("TFLOP/s (MFU n/a)"), std::string::npos) << printed.out;
  EXPECT_NE(printed.out.find("\n  window_attention "), std::string::npos) << printed.out;
  train();
  const json tokens = run_json({"bench", "generate", program_ / "run", "--tokens", "5"});
  EXPECT_GT(tokens.at("tokens_per_second").get<double>(), 0);
}

}  // namespace
}  // namespace lf
