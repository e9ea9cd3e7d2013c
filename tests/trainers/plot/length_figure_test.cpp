// A score by length of text: which validation of a run is drawn, and every error a user can meet.
#include "trainers/plot/length_figure.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

// A validation as a run of seq2seq logs it.
std::string validation(int step, int length, double rouge1, double rouge2, int texts = 8) {
  return text(R"({"event": "validation", "step": )", step, R"(, "stage": 1, "loss": )", 9.0 - 0.001 * step,
              R"(, "rouge1": )", rouge1, R"(, "rouge2": )", rouge2, R"(, "protocol": {"sequence_length": )",
              length, R"(, "target_length": 16, "texts": )", texts, R"(, "num_beams": 2}})", "\n");
}

class LengthFigure : public ::testing::Test {
 protected:
  std::string run_of(const std::string& name, const std::string& log, const std::string& metric = "rouge1") {
    std::filesystem::create_directories(folder_ / name);
    std::ofstream(folder_ / (name + "/config.yaml"))
        << "task: seq2seq\ndata: {path: texts.jsonl}\nseq2seq: {model: led, validation: dev.jsonl, metric: "
        << metric << "}\nstages: {list: [{name: a, sequence_length: 64, batch_size: 1, learning_rate: 0.1, "
        << "steps: 9}]}\n";
    std::ofstream(folder_ / (name + "/log.jsonl"))
        << R"({"event": "step", "step": 1, "stage": 1, "loss": 9.5})"
        << "\n"
        << log;
    return folder_ / name;
  }
  std::string drawn(const std::vector<std::string>& runs, const std::string& metric = "") {
    plot_by_length(runs, folder_ / "out.svg", metric);
    return read_file(folder_ / "out.svg");
  }

  TemporaryFolder folder_;
};

bool has(const std::string& svg, const std::string& part) { return svg.find(part) != std::string::npos; }

TEST_F(LengthFigure, DrawsTheBestValidationOfEveryRun) {
  // The second is the best by ROUGE-1, the third by ROUGE-2 and by loss.
  const std::string log =
      validation(10, 64, 11, 3) + validation(20, 64, 31.25, 4) + validation(30, 64, 30, 5);
  const std::string svg = drawn({run_of("short", log), run_of("long", validation(30, 256, 60.5, 22.5))});
  EXPECT_TRUE(has(svg, ">31.25</text>"));
  EXPECT_TRUE(has(svg, ">4</text>") || has(svg, ">4.00</text>"));
  EXPECT_TRUE(has(svg, ">60.50</text>"));
  EXPECT_TRUE(has(svg, ">22.50</text>"));
  EXPECT_FALSE(has(svg, ">30.00</text>"));
  EXPECT_FALSE(has(svg, ">11.00</text>"));
  EXPECT_TRUE(has(svg, ">ROUGE-1</text>"));
  EXPECT_TRUE(has(svg, ">ROUGE-2</text>"));
  EXPECT_TRUE(has(svg, ">64</text>"));
  EXPECT_TRUE(has(svg, ">128</text>"));
  EXPECT_TRUE(has(svg, ">256</text>"));
  EXPECT_TRUE(has(svg, "short, step 20: 64 tokens, rouge1 31.25, rouge2 4"));
  EXPECT_TRUE(has(svg, "long, step 30: 256 tokens, rouge1 60.50, rouge2 22.50"));
}

TEST_F(LengthFigure, TheRunsOwnMetricDecides) {
  const std::string log = validation(10, 64, 50, 3) + validation(20, 64, 40, 7) + validation(30, 64, 45, 5);
  EXPECT_TRUE(has(drawn({run_of("second", log, "rouge2")}), ">40.00</text>"));
  const std::string loss = drawn({run_of("loss", log, "loss")}, "loss");
  EXPECT_TRUE(has(loss, "loss by length of text"));
  EXPECT_TRUE(has(loss, ">8.97</text>")) << "the smallest loss is the best";
  EXPECT_FALSE(has(loss, "ROUGE"));
}

TEST_F(LengthFigure, RunsOfOneLengthAreAveraged) {
  const std::string a = run_of("a", validation(10, 64, 40, 10)), b = run_of("b", validation(10, 64, 50, 20)),
                    c = run_of("c", validation(10, 128, 80, 70));
  const std::string svg = drawn({a, b, c}, "rouge1");
  EXPECT_TRUE(has(svg, ">45.00</text>"));
  EXPECT_TRUE(has(svg, ">80.00</text>"));
  EXPECT_FALSE(has(svg, ">40.00</text>"));
  EXPECT_FALSE(has(svg, "ROUGE-2"));
  EXPECT_TRUE(has(svg, "rouge1 40.00"));  // what was averaged is told
}

TEST_F(LengthFigure, ErrorsSayWhichRunAndWhy) {
  const std::string good = run_of("good", validation(10, 64, 40, 10)), out = folder_ / "none.svg";
  const auto refused = [&](const std::string& run, const std::string& words, const std::string& metric = "") {
    EXPECT_ERROR_TEXT(plot_by_length({good, run}, out, metric), words);
  };
  EXPECT_ERROR_TEXT(plot_by_length({}, out), "plot: needs at least one run folder");
  refused(folder_ / "absent", "absent does not exist");
  std::filesystem::create_directories(folder_ / "empty");
  refused(folder_ / "empty", "empty is not a run folder: it has no config.yaml");
  refused(run_of("fresh", ""),
          "fresh/log.jsonl: holds no validation with rouge1, rouge2: the run has not been validated yet");
  refused(run_of("losses", R"({"event": "validation", "step": 2, "loss": 3})", "loss"),
          "rouge1, rouge2, rougeL and rougeLsum have; it is loss");
  refused(good, "holds no validation with accuracy", "accuracy");
  refused(run_of("damaged", "{\"event\"\n{}\n"), "damaged/log.jsonl:2:");
  refused(run_of("word", with(validation(5, 64, 1.5, 0), "1.5", "\"much\"")),
          "log.jsonl:2: rouge1: expected a number");
  refused(run_of("bare", with(validation(5, 64, 1.5, 0), "sequence_length", "length")),
          "log.jsonl:2: the validation has no \"sequence_length\"");
  refused(run_of("nothing", validation(5, 0, 1.5, 0)), "log.jsonl:2: sequence_length is 0");
  const std::string other = run_of("other", "");
  std::ofstream(other + "/config.yaml")
      << "data: {path: sample}\nstages: {list: [{name: a, sequence_length: 8, windows: [8], batch_size: 1, "
      << "learning_rate: 0.1, steps: 1}]}\nmodel: {layers: 1}\n";
  refused(other,
          "other is a run of task char_lm; a score by length of text is drawn of runs of task seq2seq");
  std::filesystem::remove(good + "/log.jsonl");
  EXPECT_ERROR_TEXT(plot_by_length({good}, out), "good has no log.jsonl yet");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(LengthFigure, TheProgramDrawsItAndWarnsOfRunsScoredOtherwise) {
  const std::string a = run_of("a", validation(10, 64, 40, 10)),
                    b = run_of("b", validation(10, 128, 50, 20, 4));
  const Program program;
  const ProgramResult result = program.run({"plot", a, b, "--by-length"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, a + "/by_length.svg\n");
  EXPECT_TRUE(has(read_file(a + "/by_length.svg"), "ROUGE by length of text"));
  EXPECT_TRUE(has(result.err, "warning: " + a + " was scored with")) << result.err;
  EXPECT_TRUE(has(result.err, "\"texts\":4")) << result.err;
  EXPECT_EQ(program.run({"plot", a, "--by-length"}).err, "");
}

}  // namespace
}  // namespace lf
