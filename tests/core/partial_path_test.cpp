// What killed writers leave is removed by the next one; what living ones have is not.
#include <chrono>
#include <fstream>
#include <thread>

#include "core/partial_path.h"

#include "core/files.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST(PartialPath, AbandonedOnesGoAndLivingOnesStay) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a.partial.17.0") << "of a killed process";
  fs::create_directories(folder / "a.partial.18.1/inner");
  std::ofstream(folder / "a.partial.18.1/inner/file") << "of another";
  fs::create_symlink("/nowhere", folder / "a.partial.19.2");
  std::ofstream(folder / "b.partial.17.0") << "another target's";
  AtomicFile living(folder / "a");
  living.write(std::string_view("first"));
  EXPECT_EQ(entries(folder.path()).size(), 3u) << "its own, the link and another target's";
  write_file_atomically(folder / "a", "second");
  EXPECT_TRUE(fs::exists(living.temporary_path()));
  living.commit();
  EXPECT_EQ(read_file(folder / "a"), "first");
  EXPECT_EQ(entries(folder.path()), (Names{"a", "a.partial.19.2", "b.partial.17.0"}));
}

TEST(PartialPath, FoldersArePublishedWholeOrRemoved) {
  const TemporaryFolder folder;
  {
    const PartialPath dropped(folder / "model", PartialPath::Kind::kFolder);
    write_file_atomically(dropped.path() + "/a", "content");
    PartialPath other(folder / "model", PartialPath::Kind::kFolder);
    EXPECT_TRUE(fs::exists(dropped.path() + "/a"));
    other.publish();
  }
  EXPECT_EQ(entries(folder.path()), Names{"model"});
}

TEST(PartialPath, AFolderIsHeldByOne) {
  const TemporaryFolder folder;
  {
    const FolderLock held(folder.path(), "working");
    EXPECT_ERROR(FolderLock(folder.path(), "working"), "another process is working here; let it finish");
  }
  EXPECT_NO_THROW(FolderLock(folder.path(), "working"));
}

// Killed at random moments, then done once: nothing but the corpus is there, whatever the sources were.
TEST(PartialPath, NothingStaysOfKilledPreparations) {
  const Program program;
  program.write("a.txt", std::string(3'000'000, 'a') + std::string(3'000'000, 'b'));
  const auto start = [&] {
    return ChildProcess({program_path(), "prepare", "bytes", program / "a.txt", "--out", program / "out"},
                        program / "printed");
  };
  for (int round = 0; round < 12; ++round) {
    ChildProcess killed = start();
    for (int i = 0; i < 20'000 && (!fs::exists(program / "out") || entries(program / "out").empty()); ++i)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    killed.kill(SIGKILL);
    killed.wait();
  }
  std::ofstream(program / "out/source.partial.5.0") << "unpacked by a killed preparation of an archive";
  std::ofstream(program / "out/train.tokens.partial.5.0") << "half";
  EXPECT_EQ(start().wait(), 0) << read_file(program / "printed");
  EXPECT_EQ(entries(program / "out"),
            (Names{"corpus.json", "test.tokens", "train.tokens", "validation.tokens"}));
}

TEST(PartialPath, TwoPreparationsOfOneFolderExcludeEachOther) {
  const Program program;
  program.write("a.txt", "aabbaabbabababababab");
  fs::create_directories(program / "out");
  const FolderLock held(program / "out", "working");
  const ProgramResult result = program.run({"prepare", "bytes", program / "a.txt", "--out", program / "out"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("another process is preparing a corpus here"), std::string::npos) << result.err;
  EXPECT_EQ(entries(program / "out"), Names{});
}

}  // namespace
}  // namespace lf
