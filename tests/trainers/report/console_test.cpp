// Progress output: the pure formats, plain lines into a file, and the live line on a real pseudo-terminal.
#include "trainers/report/console.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include "core/messages.h"

namespace lf {
namespace {

Progress sample() {
  Progress progress;
  progress.stage = "stage 2/5";
  progress.step = 820;
  progress.total_steps = 2000;
  progress.loss = 1.60437;
  progress.bits = 2.31462;
  progress.learning_rate = 2.5e-4;
  progress.tokens_per_second = 12345;
  progress.memory_bytes = 1'503'238'554;
  progress.seconds_left = 192;
  return progress;
}

TEST(Format, ProgressShowsWhatIsKnown) {
  EXPECT_EQ(format_progress(sample()),
            "stage 2/5  step 820/2,000 (41%)  loss 1.6044  bpc 2.3146  lr 2.50e-04  12.3k tok/s  1.40 GiB  "
            "ETA 3m 12s");
  Progress open_ended;
  open_ended.step = 1200;
  EXPECT_EQ(format_progress(open_ended), "step 1,200");
}

TEST(Format, LiveLineFitsEveryWidthAndKeepsWhatMattersMost) {
  for (int columns = 0; columns <= 200; ++columns) {
    EXPECT_LE(static_cast<int>(format_live_progress(sample(), columns).size()), columns);
  }
  EXPECT_EQ(format_live_progress(sample(), 140), "[=======>            ]  " + format_progress(sample()));
  EXPECT_EQ(format_live_progress(sample(), 79),
            "stage 2/5  step 820/2,000 (41%)  loss 1.6044  bpc 2.3146  ETA 3m 12s");
  EXPECT_EQ(format_live_progress(sample(), 34), "stage 2/5  step 820/2,000 (41%)");
  Progress finished = sample();
  finished.step = 2500;
  EXPECT_EQ(format_live_progress(finished, 200).substr(0, 24), "[====================]  ");
}

TEST(Console, PlainLinesOutsideATerminal) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  {
    const messages::OtherConsole here(file);
    Console console;
    EXPECT_FALSE(console.live());
    Progress progress;
    progress.stage = "stage 1/2";
    progress.total_steps = 3;
    for (progress.step = 1; progress.step <= 3; ++progress.step) console.progress(progress);
    progress.step = 3;
    console.progress(progress);  // what follows the last step is no step
    messages::info("saved");
    progress.stage = "stage 2/2";
    progress.step = 1;
    console.progress(progress);
  }
  std::rewind(file);
  std::string content(1000, '\0');
  content.resize(std::fread(content.data(), 1, content.size(), file));
  std::fclose(file);
  // The middle step is within ten seconds of the first and not the last one, so it is left out.
  EXPECT_EQ(content,
            "stage 1/2  step 1/3 (33%)\nstage 1/2  step 3/3 (100%)\nsaved\nstage 2/2  step 1/3 (33%)\n");
}

TEST(Console, LiveLineOnATerminal) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) GTEST_SKIP() << "no pseudo-terminal here";
  std::FILE* terminal = std::fopen(ptsname(master), "w");
  if (terminal == nullptr) GTEST_SKIP() << "cannot open the pseudo-terminal";
  const winsize size = {24, 41, 0, 0};
  ASSERT_EQ(ioctl(master, TIOCSWINSZ, &size), 0);
  const char* term = std::getenv("TERM");
  const std::string old_term = term == nullptr ? "" : term;
  setenv("TERM", "dumb", 1);
  std::optional<messages::OtherConsole> here(terminal);
  EXPECT_FALSE(Console().live());
  setenv("TERM", "xterm", 1);
  {
    Console console;
    EXPECT_TRUE(console.live());
    console.progress(sample());
    messages::info("saved");
  }
  here.reset();
  std::fclose(terminal);
  // The terminal passes output on in pieces; once the writer has closed, reading fails after the last of
  // them.
  std::string shown, piece(1000, '\0');
  for (ssize_t got = 0; (got = read(master, piece.data(), piece.size())) > 0;) {
    shown.append(piece, 0, static_cast<size_t>(got));
  }
  close(master);
  if (term == nullptr) unsetenv("TERM");
  if (term != nullptr) setenv("TERM", old_term.c_str(), 1);
  const std::string line = "stage 2/5  step 820/2,000 (41%)", clear = "\r\x1b[2K";
  EXPECT_EQ(shown, clear + line + clear + "saved\r\n" + line + "\r\n");
}

}  // namespace
}  // namespace lf
