// What a run does with the signals it answers, with those that its parent ignores, and with output that
// nobody reads. All of it through the program: in this process there is nothing that waits for signals.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "tests/program.h"
#include "tests/trainers/run/run_ends.h"
#include "tests/trainers/signal_masks.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

class Signals : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_config(program_); }

  // Goes on with the run `name` of `config`, or starts it. `redirections` come after the command in sh.
  ChildProcess start(const std::string& name, const std::string& config = "config.yaml",
                     const std::string& before = "", const std::string& redirections = "",
                     const std::vector<std::string>& variables = {"OMP_NUM_THREADS=1"}) {
    return ChildProcess({"/bin/sh", "-c", before + "exec \"$@\" " + redirections, "sh", program_path(),
                         "train", program_ / config, "--out", program_ / name, "--resume"},
                        program_ / "output.txt", variables);
  }
  void run_undisturbed(const std::string& config = "config.yaml") {
    ASSERT_EQ(start("whole", config).wait(), 0) << output();
  }
  void expect_end_of_the_whole(const std::string& name, int64_t step = 5) {
    expect_same_end(program_ / name, program_ / "whole", step);
  }
  std::string output() { return read_file(program_ / "output.txt"); }
  std::string log(const std::string& name) {
    const std::string path = program_ / (name + "/log.jsonl");
    return fs::exists(path) ? read_file(path) : "";
  }
  bool logged(const std::string& name, const std::string& event) {
    return log(name).find("\"event\":\"" + event + "\"") != std::string::npos;
  }
  // False if the program ends before, or if it has not come true after minutes: then the program is killed.
  static bool wait_until(ChildProcess& child, const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(4);
    while (!condition()) {
      if (child.ended_within(0.001)) return condition();
      if (std::chrono::steady_clock::now() < end) continue;
      child.kill(SIGKILL);
      return false;
    }
    return true;
  }
  // A configuration whose run trains far longer than any test, and saves when asked only.
  void write_endless() {
    const std::string config = with(read_file(program_ / "config.yaml"), ", steps: 3", ", steps: 100000000");
    program_.write("endless.yaml", with(config, kSaves, "checkpoint: {every_steps: 0"));
  }
  // One whose scores of a step in the stage and at its end take about a second each.
  void write_long_scores() {
#ifdef __SANITIZE_ADDRESS__  // which computes ten times as slowly
    const std::string step = "step: 8}";
#else
    const std::string step = "step: 1}";
#endif
    std::string config = with(read_file(program_ / "config.yaml"), "{every_steps: 2, tokens: 200}",
                              "{every_steps: 2, sequence_length: 128, " + step);
    config = with(config, "step: 128}", step);
    program_.write("scores.yaml", with(config, kSaves, "checkpoint: {every_steps: 0"));
  }

  static constexpr const char* kSaves = "checkpoint: {every_steps: 2";  // in the tiny configuration
  Program program_;
};

TEST_F(Signals, AreBlockedInEveryThreadButTheOneThatWaits) {
  write_endless();
  ChildProcess child = start("run", "endless.yaml", "", "", {"OMP_NUM_THREADS=2", "OMP_WAIT_POLICY=passive"});
  ASSERT_TRUE(wait_until(child, [&] { return logged("run", "step"); })) << output();
  std::vector<SignalMasks> threads;
  const auto waits = [](const SignalMasks& t) { return (t.blocked & answered_signals()) == 0; };
  ASSERT_TRUE(wait_until(child, [&] {
    threads = signal_masks(child.pid());
    return std::any_of(threads.begin(), threads.end(), waits);
  })) << "no thread waits for signals";
  child.kill(SIGKILL);
  child.wait();
  EXPECT_GE(threads.size(), 3u);  // two that compute and the one that waits
  for (const SignalMasks& thread : threads) {
    EXPECT_EQ(thread.caught & answered_signals(), 0u) << "a handler is installed";
    if (waits(thread)) {
      EXPECT_EQ(thread.name, "signals");
    } else {
      EXPECT_EQ(thread.blocked & answered_signals(), answered_signals()) << thread.name;
    }
  }
  EXPECT_EQ(std::count_if(threads.begin(), threads.end(), waits), 1);
}

TEST_F(Signals, ASaveAskedForBeforeTheFirstStepIsMade) {
  write_endless();
  ChildProcess child = start("run", "endless.yaml");
  ASSERT_TRUE(wait_until_signals_are_held(child));
  child.kill(SIGUSR1);
  EXPECT_TRUE(wait_until(child, [&] { return fs::exists(program_ / "run/latest"); })) << output();
  child.kill(SIGKILL);
  EXPECT_EQ(child.wait(), 128 + SIGKILL) << output();
}

TEST_F(Signals, AStopBeforeTheFirstStepLosesNothing) {
  run_undisturbed();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    for (bool before_the_first = false; !before_the_first;) {
      fs::remove_all(program_ / "run");
      ChildProcess child = start("run");
      ASSERT_TRUE(wait_until_signals_are_held(child));
      child.kill(SIGSTOP);
      int status = 0;
      ::waitpid(child.pid(), &status, WUNTRACED);
      ASSERT_TRUE(WIFSTOPPED(status)) << "ended before it was to start";
      before_the_first = !logged("run", "step");
      child.kill(before_the_first ? signal : SIGKILL);
      child.kill(SIGCONT);
      const int code = child.wait();
      EXPECT_EQ(code, 128 + (before_the_first ? signal : SIGKILL)) << output();
    }
    ASSERT_EQ(start("run").wait(), 0) << output();
    expect_end_of_the_whole("run");
  }
}

TEST_F(Signals, ThatTheParentIgnoresStayIgnored) {
  write_endless();
  ChildProcess child = start("run", "endless.yaml", "trap '' HUP INT USR1; ");
  ASSERT_TRUE(wait_until(child, [&] { return logged("run", "step"); })) << output();
  const uint64_t ignored = signal_set({SIGHUP, SIGINT, SIGUSR1});
  // A blocked one would be kept, and answered. Where a thread is being started all are blocked for a moment.
  EXPECT_TRUE(wait_until(child, [&] {
    const std::vector<SignalMasks> threads = signal_masks(child.pid());
    return std::all_of(threads.begin(), threads.end(), [&](const SignalMasks& thread) {
      return (thread.ignored & ignored) == ignored && (thread.blocked & ignored) == 0;
    });
  }));
  for (int i = 0; i < 3; ++i) {
    for (const int signal : {SIGHUP, SIGINT, SIGUSR1}) child.kill(signal);
  }
  EXPECT_FALSE(child.ended_within(0.5));
  child.kill(SIGTERM);
  EXPECT_EQ(child.wait(), 128 + SIGTERM);
  EXPECT_NE(output().find("stopped by signal 15 at step"), std::string::npos) << output();
}

// A step of a thousand micro-batches, which nobody wants to wait for.
TEST_F(Signals, ASecondOneEndsAtOnceAndARepetitionDoesNot) {
  const std::string tiny = read_file(program_ / "config.yaml");
  program_.write("slow.yaml", with(with(tiny, "batch_size: 4", "batch_size: 100000"), "[8, 16]", "[16, 16]"));
  ChildProcess child = start("slow", "slow.yaml");
  ASSERT_TRUE(wait_until(child, [&] { return logged("slow", "stage_start"); })) << output();
  EXPECT_FALSE(child.ended_within(0.3));  // in its first step now
  child.kill(SIGTERM);
  EXPECT_FALSE(child.ended_within(0.5));
  child.kill(SIGHUP);  // which comes with a SIGTERM, or twice, where a terminal goes away
  EXPECT_FALSE(child.ended_within(0.1));
  child.kill(SIGTERM);
  const int status = child.wait_status();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_FALSE(fs::exists(program_ / "slow/latest"));

  write_endless();
  ChildProcess twice = start("twice", "endless.yaml");
  ASSERT_TRUE(wait_until(twice, [&] { return logged("twice", "step"); })) << output();
  for (int i = 0; i < 5; ++i) {
    twice.kill(SIGTERM);
    ::usleep(1000);
  }
  const int saved = twice.wait_status();
  EXPECT_TRUE(WIFEXITED(saved) && WEXITSTATUS(saved) == 128 + SIGTERM) << saved;
  EXPECT_NE(output().find("everything is saved"), std::string::npos) << output();
}

TEST_F(Signals, AStopAbandonsTheScoreOfAStep) {
  write_long_scores();
  run_undisturbed("scores.yaml");
  ChildProcess child = start("run", "scores.yaml");
  ASSERT_TRUE(wait_until(child, [&] { return log("run").find("\"step\":2") != std::string::npos; }))
      << output();
  child.kill(SIGTERM);
  EXPECT_EQ(child.wait(), 128 + SIGTERM) << output();
  EXPECT_FALSE(logged("run", "validation")) << "the score was waited for";
  std::vector<std::string> warnings;
  EXPECT_EQ(load_checkpoint(program_ / "run", warnings).step, 2);
  ASSERT_EQ(start("run", "scores.yaml").wait(), 0) << output();
  expect_end_of_the_whole("run");
}

TEST_F(Signals, AStopAbandonsTheScoresOfAStage) {
  write_long_scores();
  run_undisturbed("scores.yaml");
  for (const char* reached : {"\"step\":3", "\"step\":5"}) {  // the ends of the two stages
    ChildProcess child = start("run", "scores.yaml");
    ASSERT_TRUE(wait_until(child, [&] { return log("run").find(reached) != std::string::npos; })) << output();
    const std::string ends = text("\"event\":\"stage_end\",", reached);
    child.kill(SIGTERM);
    EXPECT_EQ(child.wait(), 128 + SIGTERM) << output();
    EXPECT_EQ(log("run").find(ends), std::string::npos) << "the score was waited for";
  }
  ASSERT_EQ(start("run", "scores.yaml").wait(), 0) << output();
  expect_end_of_the_whole("run");
}

TEST_F(Signals, ASaveDoesNotWaitForAScore) {
  write_long_scores();
  run_undisturbed("scores.yaml");
  ChildProcess child = start("run", "scores.yaml");
  ASSERT_TRUE(wait_until(child, [&] { return log("run").find("\"step\":2") != std::string::npos; }))
      << output();
  child.kill(SIGUSR1);
  ASSERT_TRUE(wait_until(child, [&] { return fs::exists(program_ / "run/latest"); })) << output();
  child.kill(SIGKILL);
  child.wait();
  EXPECT_FALSE(logged("run", "validation")) << "the score was waited for";
  ASSERT_EQ(start("run", "scores.yaml").wait(), 0) << output();
  EXPECT_NE(output().find("continuing " + program_ / "run" + " from step 2"), std::string::npos) << output();
  expect_end_of_the_whole("run");
}

// Stopped again and again at moments that wander through the run, which for the most part scores.
TEST_F(Signals, StopsAtAnyMomentOfScoringLoseNothing) {
  write_long_scores();
  run_undisturbed("scores.yaml");
  const int most = std::getenv("LF_SLOW") ? 60 : 6;
  int stops = 0;
  for (int code = -1; code != 0;) {
    ChildProcess child = start("run", "scores.yaml");
    ASSERT_TRUE(wait_until_signals_are_held(child));
    const int signal = stops % 3 == 0 ? SIGTERM : stops % 3 == 1 ? SIGHUP : SIGINT;
    if (stops < most && !child.ended_within(0.05 + 0.083 * (stops % 7))) {
      child.kill(signal);
      ++stops;
      code = child.wait();
      ASSERT_TRUE(code == 128 + signal || code == 0) << code << '\n' << output();
    } else {
      code = child.wait();
      ASSERT_EQ(code, 0) << output();
    }
  }
  expect_end_of_the_whole("run");
  RecordProperty("stops", stops);
}

// Standard output and error without a reader, and closed ones, whose numbers files would get.
TEST_F(Signals, OutputThatNobodyReadsEndsNoRun) {
  run_undisturbed();
  const std::string no_reader = "mkfifo " + program_ / "pipe" + "; exec 3<>" + program_ / "pipe" + " 4>" +
                                program_ / "pipe" + " 3<&-; ";
  EXPECT_EQ(start("piped", "config.yaml", no_reader, ">&4 2>&4").wait(), 0);
  expect_end_of_the_whole("piped");
  EXPECT_EQ(start("closed", "config.yaml", "", "<&- >&- 2>&-").wait(), 0);
  expect_end_of_the_whole("closed");
  EXPECT_EQ(output().find("error"), std::string::npos) << output();
}

TEST_F(Signals, OtherVerbsSayThatNobodyReads) {
  const std::string no_reader = "mkfifo " + program_ / "pipe" + "; exec 3<>" + program_ / "pipe" + " 4>" +
                                program_ / "pipe" + " 3<&-; ";
  const auto code = [&](const std::string& redirections) {
    fs::remove(program_ / "pipe");
    return ChildProcess({"/bin/sh", "-c", no_reader + "exec \"$@\" " + redirections, "sh", program_path(),
                         "check", program_ / "config.yaml"},
                        program_ / "output.txt")
        .wait();
  };
  EXPECT_EQ(code(">&4"), 1);
  EXPECT_NE(output().find("the reader is gone"), std::string::npos) << output();
  EXPECT_EQ(code(">&4 2>&4"), 1);
  EXPECT_EQ(code("2>&4"), 0);
  EXPECT_EQ(code(">&-"), 1);
}

TEST_F(Signals, OtherVerbsEndByThemAtOnce) {
  write_long_scores();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    ChildProcess child({program_path(), "evaluate", program_ / "scores.yaml", "--split", "train"},
                       program_ / "evaluated.txt", {"OMP_NUM_THREADS=1"});
    ASSERT_TRUE(wait_until(child, [&] {
      return fs::exists(program_ / "evaluated.txt") && fs::file_size(program_ / "evaluated.txt") > 0;
    }));
    EXPECT_TRUE(wait_until(child, [&] {
      const std::vector<SignalMasks> threads = signal_masks(child.pid());
      return std::all_of(threads.begin(), threads.end(), [](const SignalMasks& thread) {
        return ((thread.blocked | thread.caught) & answered_signals()) == 0;
      });
    }));
    child.kill(signal);
    const int status = child.wait_status();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    fs::remove(program_ / "evaluated.txt");
  }
}

// The demo's sizes, whose products code generated by oneDNN computes: it keeps data where a handler's frame
// would be.
TEST_F(Signals, RainDoesNotChangeARunOfTheDemosSizes) {
  program_.write("corpus.txt", read_file(source_path("data/samples/enwik8-1MB")).substr(0, 20000));
  std::string demo = read_file(source_path("configs/demo.yaml"));
  demo = with(demo, "path: sample", "path: " + program_ / "corpus.txt");
  demo = with(demo, "batch_size: 32\n      steps: 260", "batch_size: 2\n      steps: 6");
  for (const char* phase : {"2, batch_size: 16, steps: 130", "3, batch_size: 8, steps: 90",
                            "4, batch_size: 4, steps: 60", "5, batch_size: 2, steps: 40"}) {
    demo = with(demo, text("    - {name: phase", phase, "}\n"), "");
  }
  demo = with(demo, "every_steps: 50\n", "every_steps: 3\n");
  program_.write("demo.yaml", demo);
  const std::vector<std::string> two_threads = {"OMP_NUM_THREADS=2", "OMP_WAIT_POLICY=passive"};
  ASSERT_EQ(start("whole", "demo.yaml", "", "", two_threads).wait(), 0) << output();
  ChildProcess child = start("rain", "demo.yaml", "", "", two_threads);
  ASSERT_TRUE(wait_until_signals_are_held(child));
  int sent = 0;
  rain(child, 1e9, &sent);
  ASSERT_EQ(child.wait(), 0) << output();
  EXPECT_GT(sent, 200);
  expect_end_of_the_whole("rain", 6);
}

}  // namespace
}  // namespace lf
