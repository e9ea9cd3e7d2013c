#include "data/download.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "core/check.h"
#include "core/files.h"
#include "core/hash.h"

extern char** environ;

namespace lf {
namespace {

// curl's own exit codes: the server cannot send from the middle of a file, or refused the range asked for.
constexpr int kRangeError = 33;
constexpr int kBadResume = 36;

struct Outcome {
  int exit_code = 0;
  std::string message;  // the last line of curl's error output
};

// The error output of the child: a file without a name, so that any amount of text cannot block the child.
class ErrorOutput {
 public:
  ErrorOutput() : descriptor_(::memfd_create("curl-errors", MFD_CLOEXEC)) {
    if (descriptor_ < 0) throw_file_error("create", "a buffer for curl's messages", errno);
  }
  ~ErrorOutput() { ::close(descriptor_); }
  ErrorOutput(const ErrorOutput&) = delete;
  ErrorOutput& operator=(const ErrorOutput&) = delete;
  int descriptor() const { return descriptor_; }

  // One line for every retry; the last says why it gave up.
  std::string last_line() const {
    std::array<char, 4000> buffer;
    const ssize_t size = ::pread(descriptor_, buffer.data(), buffer.size(), 0);
    std::string result(buffer.data(), size > 0 ? static_cast<size_t>(size) : 0);
    while (!result.empty() && result.back() == '\n') result.pop_back();
    return result.substr(result.rfind('\n') + 1);
  }

 private:
  int descriptor_;
};

pid_t start(const std::vector<std::string>& command, const ErrorOutput& errors) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, errors.descriptor(), STDERR_FILENO);
  pid_t child = 0;
  const int failure = ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  CHECK(failure != ENOENT, "the program ", command[0], " was not found; install it, or fetch ",
        command.back(), " yourself");
  CHECK(failure == 0, "cannot start ", command[0], ": ", std::generic_category().message(failure));
  return child;
}

int64_t size_or_zero(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(size);
}

Outcome run_curl(const Download& download, const std::string& partial, const CorpusProgress& progress) {
  const std::vector<std::string> command = {
      "curl", "--location", "--fail", "--silent", "--show-error", "--connect-timeout", "20", "--retry", "3",
      // Below 1 kB/s for a minute is a dead connection.
      "--speed-limit", "1000", "--speed-time", "60", "--continue-at", "-", "--output", partial, download.url};
  const ErrorOutput errors;
  const pid_t child = start(command, errors);
  int status = 0;
  pid_t ended = 0;
  while (ended == 0) {
    ended = ::waitpid(child, &status, progress ? WNOHANG : 0);
    if (ended < 0 && errno == EINTR) ended = 0;
    CHECK(ended >= 0, "cannot wait for curl: ", std::generic_category().message(errno));
    if (ended != 0) break;
    if (progress) progress("download", size_or_zero(partial), download.bytes);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), errors.last_line()};
}

void fetch(const Download& download, const std::string& partial, const std::string& destination,
           const CorpusProgress& progress) {
  Outcome outcome = run_curl(download, partial, progress);
  if ((outcome.exit_code == kRangeError || outcome.exit_code == kBadResume) && size_or_zero(partial) > 0) {
    std::filesystem::remove(partial);
    outcome = run_curl(download, partial, progress);
  }
  CHECK(outcome.exit_code == 0, "download of ", download.url, " failed (curl exit ", outcome.exit_code, ": ",
        outcome.message,
        "). Try again: it continues where it stopped. Without a network, fetch that address on ",
        "another machine and copy the file to ", destination);
}

bool has_content(const std::string& path, const Download& download) {
  return size_or_zero(path) == download.bytes && digest_of_file(Digest::kSha256, path) == download.sha256;
}

}  // namespace

void download_file(const Download& download, const std::string& destination, const CorpusProgress& progress) {
  if (has_content(destination, download)) return;
  const std::string partial = destination + ".partial";
  // A partial file at or over the full size cannot be continued.
  if (size_or_zero(partial) >= download.bytes && !has_content(partial, download))
    std::filesystem::remove(partial);
  if (!has_content(partial, download)) fetch(download, partial, destination, progress);

  const int64_t size = size_or_zero(partial);
  if (!has_content(partial, download)) {
    const std::string sha256 = digest_of_file(Digest::kSha256, partial);
    std::filesystem::remove(partial);
    throw Error(text(download.url, ": what arrived is not the published file: ", size, " bytes with SHA-256 ",
                     sha256, ", needed ", download.bytes, " bytes with SHA-256 ", download.sha256,
                     "; it was removed"));
  }
  publish_file(partial, destination);
}

std::string download_corpus(CorpusKind kind, const std::string& folder, const CorpusProgress& progress) {
  const std::optional<OfficialCorpus> official = official_corpus(kind);
  if (!official)
    throw UsageError("download: kind bytes is any file of yours; only enwik8 and text8 are published");
  create_folders(folder);
  const std::string destination = folder + "/" + official->name + ".zip";
  download_file({official->url, official->archive_bytes, official->archive_sha256}, destination, progress);
  return destination;
}

}  // namespace lf
