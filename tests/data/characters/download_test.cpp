// Downloads from a server on loopback with a certificate of its own: whole, broken, hostile, and killed.
#include "data/characters/download.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <thread>

#include "core/files.h"
#include "core/hash.h"
#include "tests/program.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

// As https_server.py has it.
const std::string kContent = "0123456789 the content of a published file";

// Gives a variable of the environment a value while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

class DownloadTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string certificate =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
        "subjectAltName=DNS:localhost,DNS:mattmahoney.net -keyout " +
        (folder_ / "key.pem") + " -out " + (folder_ / "cert.pem") + " >/dev/null 2>&1";
    if (std::system(certificate.c_str()) != 0) GTEST_SKIP() << "the program openssl is not installed";
    if (std::system("python3 -c 'import ssl' >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "python3 with its module ssl is not installed";
    const std::string command = "exec python3 " + source_path("tests/data/characters/https_server.py") + " " +
                                folder_.path() + " <" + (folder_ / "stop") + " >" + (folder_ / "served") +
                                " 2>&1";
    CHECK(::mkfifo((folder_ / "stop").c_str(), 0600) == 0, "cannot create a pipe");
    server_.emplace(std::vector<std::string>{"/bin/sh", "-c", command}, folder_ / "shell.txt");
    // Without waiting for the reader, should it never come.
    stop_ = ::open((folder_ / "stop").c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_TRUE(served("\n")) << read_file(folder_ / "shell.txt");
    port_ = lines_of(read_file(folder_ / "served")).at(0);
    certificates_.emplace("CURL_CA_BUNDLE", folder_ / "cert.pem");
    std::filesystem::create_directory(folder_ / "out");
  }

  void TearDown() override {
    if (!server_) return;
    ::close(stop_);
    server_->kill(SIGTERM);
    server_->wait();
  }

  // Waits until the server has printed this.
  bool served(const std::string& what) const {
    for (int i = 0; i < 3000; ++i) {
      if (std::filesystem::exists(folder_ / "served") &&
          read_file(folder_ / "served").find(what) != std::string::npos)
        return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

  Download published(const std::string& name) const {
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(kContent.data()), kContent.size());
    return {.url = "https://localhost:" + port_ + "/" + name,
            .bytes = std::ssize(kContent),
            .sha256 = digest(Digest::kSha256, bytes)};
  }

  std::string answer(const Download& download) const {
    const std::string message = error_of([&] { download_file(download, folder_ / "out/copy"); });
    EXPECT_EQ(entries(folder_ / "out"), std::vector<std::string>{}) << "something was left: " << message;
    return message;
  }

  TemporaryFolder folder_;
  std::optional<ChildProcess> server_;
  std::optional<Variable> certificates_;
  std::string port_;
  int stop_ = -1;
};

#define EXPECT_REFUSED(name, part) EXPECT_PRED_FORMAT2(testing::IsSubstring, part, answer(published(name)))

TEST_F(DownloadTest, FetchesChecksAndKeeps) {
  int64_t last = 0;
  const CorpusProgress progress = [&](const std::string& phase, int64_t done, int64_t total) {
    EXPECT_EQ(phase, "download");
    EXPECT_EQ(total, std::ssize(kContent));
    last = done;
  };
  download_file(published("moved"), folder_ / "out/copy", progress);
  EXPECT_EQ(read_file(folder_ / "out/copy"), kContent);
  EXPECT_EQ(last, std::ssize(kContent));
  EXPECT_EQ(entries(folder_ / "out"), std::vector<std::string>{"copy"});
  // What is there and right is not fetched again.
  download_file(published("absent"), folder_ / "out/copy");
  write_file_atomically(folder_ / "out/copy", "something else");
  download_file(published("file"), folder_ / "out/copy");
  EXPECT_EQ(read_file(folder_ / "out/copy"), kContent);
}

TEST_F(DownloadTest, RefusesWhatIsNotThePublishedFile) {
  EXPECT_REFUSED("announced_large", "larger than the published file of 42 bytes");
  EXPECT_REFUSED("endless", "larger than the published file of 42 bytes");
  EXPECT_REFUSED("absent", "404");
  Download download = published("file");
  download.sha256[0] = download.sha256[0] == '0' ? '1' : '0';
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "what arrived is not the published file", answer(download));
}

TEST_F(DownloadTest, BrokenConnectionsAreTriedAgainAndGivenUp) {
  EXPECT_REFUSED("truncated", "copy the file to " + (folder_ / "out/copy"));
  Download download = published("stall");
  download.stall_seconds = 1;
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "too slow", answer(download));
  const std::vector<std::string> lines = lines_of(read_file(folder_ / "served"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "stalled"), 3);
  download.url = "https://localhost:9/file";
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "a proxy is taken from https_proxy. Without a network, fetch",
                      answer(download));
}

TEST_F(DownloadTest, FollowsNothingButHttps) {
  EXPECT_REFUSED("to_http", "only https is followed");
  Download download = published("file");
  download.url = "http://localhost:" + port_ + "/file";
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "only https is followed", answer(download));
  download.url = "file://" + source_path("README.md");
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "only https is followed", answer(download));
}

TEST_F(DownloadTest, TrustsNoUnknownCertificate) {
  certificates_.reset();
  EXPECT_REFUSED("file", "the file that CURL_CA_BUNDLE names");
}

// The program's own address, by way of a proxy: a killed download leaves no process that goes on, and the
// next one removes what it left.
TEST_F(DownloadTest, EndsWithItsProgram) {
  const auto start = [&] {
    return ChildProcess({program_path(), "prepare", "enwik8", "--download", "--out", folder_ / "out"},
                        folder_ / "printed", {"https_proxy=http://127.0.0.1:" + port_});
  };
  ChildProcess first = start();
  EXPECT_TRUE(served("stalled")) << read_file(folder_ / "printed");
  EXPECT_EQ(entries(folder_ / "out").size(), 1u);
  first.kill(SIGKILL);
  EXPECT_EQ(first.wait(), 128 + SIGKILL);
  EXPECT_TRUE(served("ended")) << "somebody still holds the connection";
  download_file(published("file"), folder_ / "out/enwik8.zip");
  EXPECT_EQ(entries(folder_ / "out"), std::vector<std::string>{"enwik8.zip"});
}

TEST(Download, BytesArePublishedNowhere) {
  EXPECT_THROW(download_corpus(CorpusKind::bytes, "."), UsageError);
}

}  // namespace
}  // namespace lf
