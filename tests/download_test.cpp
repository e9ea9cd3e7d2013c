// Downloads through curl, tried on file:// addresses and on a port where nobody listens: no network needed.
#include "data/download.h"

#include <cstdlib>

#include "core/files.h"
#include "core/hash.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

constexpr char kContent[] = "0123456789 the content of a published file";

Download published(const std::string& path) {
  const std::string content = read_file(path);
  return {"file://" + path, static_cast<int64_t>(content.size()), digest_of_file(Digest::kSha256, path)};
}

// Gives PATH another value while it lives.
class SearchPath {
 public:
  explicit SearchPath(const std::string& value) : old_(std::getenv("PATH")) {
    ::setenv("PATH", value.c_str(), 1);
  }
  ~SearchPath() { ::setenv("PATH", old_.c_str(), 1); }

 private:
  std::string old_;
};

class DownloadTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("curl --version > /dev/null 2>&1") != 0)
      GTEST_SKIP() << "the program curl is not installed";
    write_file_atomically(folder_ / "source", kContent);
  }
  TemporaryFolder folder_;
};

TEST_F(DownloadTest, FetchesChecksAndKeeps) {
  const Download download = published(folder_ / "source");
  download_file(download, folder_ / "copy");
  EXPECT_EQ(read_file(folder_ / "copy"), kContent);
  EXPECT_EQ(entries(folder_.path()), (std::vector<std::string>{"copy", "source"}));
  // What is there and right is not fetched again.
  std::filesystem::remove(folder_ / "source");
  download_file(download, folder_ / "copy");
  EXPECT_EQ(read_file(folder_ / "copy"), kContent);
}

TEST_F(DownloadTest, ContinuesWhereAnEarlierAttemptStopped) {
  const Download download = published(folder_ / "source");
  // The source's own beginning is gone: only the partial file can supply it.
  write_file_atomically(folder_ / "copy.partial", std::string(kContent).substr(0, 10));
  std::string changed = kContent;
  changed.replace(0, 10, "XXXXXXXXXX");
  write_file_atomically(folder_ / "source", changed);
  download_file(download, folder_ / "copy");
  EXPECT_EQ(read_file(folder_ / "copy"), kContent);
}

TEST_F(DownloadTest, CompletePartialFileIsUsedAndAnOverlongOneDropped) {
  const Download download = published(folder_ / "source");
  write_file_atomically(folder_ / "long.partial", std::string(1000, 'x'));
  download_file(download, folder_ / "long");
  EXPECT_EQ(read_file(folder_ / "long"), kContent);
  write_file_atomically(folder_ / "copy.partial", kContent);
  std::filesystem::remove(folder_ / "source");
  download_file(download, folder_ / "copy");
  EXPECT_EQ(read_file(folder_ / "copy"), kContent);
}

TEST_F(DownloadTest, WrongContentIsRefusedAndRemoved) {
  Download download = published(folder_ / "source");
  download.sha256[0] = download.sha256[0] == '0' ? '1' : '0';
  EXPECT_ERROR(download_file(download, folder_ / "copy"), "what arrived is not the published file");
  EXPECT_EQ(entries(folder_.path()), std::vector<std::string>{"source"});
}

TEST_F(DownloadTest, ReportsProgressAndFailure) {
  int64_t calls = 0;
  const CorpusProgress progress = [&](const std::string& phase, int64_t, int64_t) {
    calls += phase == "download";
  };
  download_file(published(folder_ / "source"), folder_ / "copy", progress);
  EXPECT_GE(calls, 1);
  const std::string message = error_of([&] {
    download_file({"http://127.0.0.1:9/enwik8.zip", 10, "00"}, folder_ / "e");
  });
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "curl exit 7", message);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "copy the file to " + (folder_ / "e"), message);
  EXPECT_ERROR(download_file({"file://" + (folder_ / "absent"), 10, "00"}, folder_ / "e"), "curl exit 37");
}

TEST_F(DownloadTest, SaysThatCurlIsMissing) {
  const SearchPath nothing(folder_.path());
  EXPECT_ERROR(download_file({"file://" + (folder_ / "source"), 1, "00"}, folder_ / "copy"),
               "the program curl was not found; install it, or fetch file://");
}

TEST(Download, BytesArePublishedNowhere) {
  EXPECT_THROW(download_corpus(CorpusKind::kBytes, "."), UsageError);
}

}  // namespace
}  // namespace lf
