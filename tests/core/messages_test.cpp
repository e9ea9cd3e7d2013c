// Messages: what each level shows where, the live line below them, files, ranks, many threads.
#include "core/messages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/files.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

const std::string kTime = "0000-00-00 00:00:00.000 ";

// In the form of kTime.
bool begins_with_time(const std::string& line) {
  return line.size() >= kTime.size() &&
         std::equal(kTime.begin(), kTime.end(), line.begin(),
                    [](char form, char c) { return form == '0' ? c >= '0' && c <= '9' : c == form; });
}

// Live lines, each drawn over the one before, and then one message of fifty times the same letter, or none.
bool is_whole(std::string_view line) {
  const std::string_view clear = "\r\x1b[2K", live = "live";
  for (bool may_draw = true;;) {
    if (line.starts_with(clear)) {
      line.remove_prefix(clear.size());
      may_draw = true;
    } else if (may_draw && line.starts_with(live)) {
      line.remove_prefix(live.size());
      may_draw = false;
    } else {
      break;
    }
  }
  return line.empty() || line == std::string(50, line.front());
}

using messages::Level;

class Messages : public testing::Test {
 protected:
  Messages() : stream_(std::fopen((folder_ / "console").c_str(), "w")) { other_.emplace(stream_); }
  ~Messages() override {
    other_.reset();
    std::fclose(stream_);
    messages::show_from(Level::kInfo);
    messages::set_rank(0);
    messages::also_into("/dev/null");
  }
  std::string shown() const { return read_file(folder_ / "console"); }
  void say_all() const {
    messages::detail("a detail");
    messages::info("some info");
    messages::warning("beware");
    messages::error("broken");
  }

  const TemporaryFolder folder_;
  std::FILE* stream_;
  std::optional<messages::OtherConsole> other_;
};

TEST_F(Messages, LevelsDecideWhatTheConsoleShows) {
  say_all();
  EXPECT_EQ(shown(), "some info\nwarning: beware\nerror: broken\n");
  messages::show_from(Level::kWarning);
  EXPECT_FALSE(messages::shows(Level::kInfo));
  say_all();
  messages::progress_line("half");
  messages::draw_live_line("live");
  EXPECT_EQ(shown(), "some info\nwarning: beware\nerror: broken\nwarning: beware\nerror: broken\n");
  messages::show_from(Level::kDetail);
  messages::detail("100% {} %s");
  messages::progress_line("half");
  EXPECT_TRUE(shown().ends_with("error: broken\n100% {} %s\nhalf\n")) << shown();
}

TEST_F(Messages, FilesHaveEverythingWithItsTime) {
  messages::show_from(Level::kError);
  messages::also_into(folder_ / "first");
  say_all();
  messages::progress_line("half");
  messages::also_into(folder_ / "second");
  messages::info("more");
  messages::also_into(folder_ / "first");
  messages::warning("two\nlines");
  std::string first;
  for (const std::string& line : lines_of(read_file(folder_ / "first"))) {
    EXPECT_TRUE(begins_with_time(line) || line == "lines") << line;
    first += line.substr(begins_with_time(line) ? kTime.size() : 0) + "\n";
  }
  EXPECT_EQ(first, "debug: a detail\ninfo: some info\nwarning: beware\nerror: broken\nwarning: two\nlines\n");
  EXPECT_TRUE(read_file(folder_ / "second").ends_with(" info: more\n"));
  EXPECT_EQ(shown(), "error: broken\n");
  EXPECT_ERROR(messages::also_into(folder_ / "none/file"), "cannot open " + (folder_ / "none/file"));
  std::filesystem::create_symlink(folder_ / "first", folder_ / "link");
  EXPECT_ERROR(messages::also_into(folder_ / "link"), "cannot open " + (folder_ / "link"));
}

TEST_F(Messages, AFileThatIsFullIsWarnedOfOnce) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no device that is full";
  messages::also_into("/dev/full");
  messages::info("one");
  messages::info("two");
  const std::vector<std::string> lines = lines_of(shown());
  ASSERT_EQ(lines.size(), 3u) << shown();
  EXPECT_TRUE(lines[1].starts_with("warning: cannot write /dev/full: No space left on device")) << lines[1];
  EXPECT_EQ(lines[2], "two");
}

TEST_F(Messages, AppearAboveTheLiveLine) {
  const std::string clear = "\r\x1b[2K";
  messages::draw_live_line("one");
  messages::info("text");
  messages::draw_live_line("two");
  messages::finish_live_line();
  messages::finish_live_line();
  messages::info("end");
  EXPECT_EQ(shown(), clear + "one" + clear + "text\none" + clear + "two\nend\n");
}

TEST_F(Messages, OtherRanksSayWarningsOnlyAndTheirName) {
  messages::set_rank(3);
  messages::also_into(folder_ / "file");
  say_all();
  messages::progress_line("half");
  EXPECT_EQ(shown(), "warning: rank 3: beware\nerror: rank 3: broken\n");
  EXPECT_EQ(lines_of(read_file(folder_ / "file")).size(), 4u);
}

TEST_F(Messages, OfManyThreadsStayWhole) {
  messages::also_into(folder_ / "file");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) {
        messages::info(std::string(50, static_cast<char>('a' + t)));
        messages::draw_live_line("live");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  messages::finish_live_line();
  EXPECT_EQ(lines_of(read_file(folder_ / "file")).size(), 800u);
  for (const std::string& line : lines_of(shown())) EXPECT_TRUE(is_whole(line)) << line;
}

}  // namespace
}  // namespace lf
