// What a curve's bits are counted per.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/files.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "trainers/plot/run_curves.h"
#include "trainers/plot/run_history.h"

namespace lf {
namespace {

// A run folder whose log counts bits per `unit`.
std::string run_of(const TemporaryFolder& folder, const std::string& name, const std::string& unit) {
  std::filesystem::create_directory(folder / name);
  std::ofstream(folder / (name + "/log.jsonl"))
      << R"({"event": "step", "step": 10, "stage": 1, "loss": 7, "bits_per_)" << unit << R"(": 4.5})"
      << "\n"
      << R"({"event": "test", "step": 10, "stage": 1, "loss": 8, "bits_per_)" << unit << R"(": 5.25})"
      << "\n";
  return folder / name;
}

TEST(RunUnits, AreThoseOfTheLog) {
  const TemporaryFolder folder;
  const std::string tokens = run_of(folder, "masked", "token"),
                    characters = run_of(folder, "plain", "character");
  const RunHistory history = read_run_history(tokens);
  EXPECT_EQ(history.quantity, "bits per token");
  EXPECT_EQ(history.training.front().y, 4.5);
  EXPECT_EQ(history.tests.front().y, 5.25);
  plot_runs({tokens}, folder / "tokens.svg");
  EXPECT_NE(read_file(folder / "tokens.svg").find("bits per token"), std::string::npos);
  EXPECT_EQ(read_file(folder / "tokens.svg").find("character"), std::string::npos);
  plot_runs({characters}, folder / "characters.svg");
  EXPECT_NE(read_file(folder / "characters.svg").find("bits per character"), std::string::npos);
}

// Of a task that counts no bits: losses in nats, or a metric by its name.
TEST(RunUnits, ARunWithoutBitsShowsItsLossOrAMetric) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "run");
  std::ofstream(folder / "run/log.jsonl")
      << R"({"event": "step", "step": 10, "stage": 1, "loss": 0.5})"
      << "\n"
      << R"({"event": "step", "step": 20, "stage": 1, "loss": null})"
      << "\n"
      << R"({"event": "validation", "step": 20, "stage": 1, "accuracy": 0.75, "macro_f1": 0.7, "loss": 0.4})"
      << "\n";
  const RunHistory losses = read_run_history(folder / "run");
  EXPECT_EQ(losses.quantity, "loss (nats)");
  ASSERT_EQ(losses.training.size(), 1u);  // the second update had no target
  EXPECT_EQ(losses.training.front().y, 0.5);
  EXPECT_EQ(losses.validation.front().y, 0.4);
  const RunHistory scores = read_run_history(folder / "run", "macro_f1");
  EXPECT_EQ(scores.quantity, "macro f1");
  EXPECT_TRUE(scores.training.empty());
  EXPECT_EQ(scores.validation.front().y, 0.7);
  EXPECT_ERROR_TEXT(read_run_history(folder / "run", "rouge1"), "holds no score with a metric rouge1");
  plot_runs({folder / "run"}, folder / "curve.svg", "macro_f1");
  EXPECT_NE(read_file(folder / "curve.svg").find("macro f1"), std::string::npos);
}

TEST(RunUnits, DoNotShareAnAxis) {
  const TemporaryFolder folder;
  const std::string tokens = run_of(folder, "masked", "token"),
                    characters = run_of(folder, "plain", "character");
  EXPECT_ERROR_TEXT(plot_runs({tokens, characters}, folder / "both.svg"),
                    "plot: masked counts bits per token, plain bits per character; draw them apart");
  EXPECT_FALSE(std::filesystem::exists(folder / "both.svg"));
  std::ofstream(tokens + "/log.jsonl", std::ios::app)
      << R"({"event": "step", "step": 20, "bits_per_character": 1})"
      << "\n";
  EXPECT_ERROR_TEXT(read_run_history(tokens), "log.jsonl:3: bits per character, but per token before");
}

}  // namespace
}  // namespace lf
