#include "core/partial_path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/files.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// Whether the name still leads to what the descriptor has open.
bool is_still(const std::string& path, int descriptor) {
  struct stat named = {}, open = {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(descriptor, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

int lock(int descriptor, int how) {
  int result = 0;
  do {
    result = ::flock(descriptor, how);
  } while (result != 0 && errno == EINTR);
  return result;
}

int open_partial(const std::string& path, PartialPath::Kind kind) {
  if (kind == PartialPath::Kind::kFile)
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (::mkdir(path.c_str(), 0777) != 0) return -1;
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// Removes the file or folder if nobody has it locked. What cannot be opened or locked is left alone, and so
// is a link, which no program of ours makes.
void remove_if_abandoned(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0 || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return;
  const int access = S_ISDIR(status.st_mode) ? O_RDONLY | O_DIRECTORY : O_RDWR;  // NFS locks what is writable
  const int descriptor = ::open(path.c_str(), access | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return;
  // The lock is kept while it goes: whoever is about to lock what it has just made then sees that it is gone.
  if (lock(descriptor, LOCK_EX | LOCK_NB) == 0 && is_still(path, descriptor)) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  ::close(descriptor);
}

}  // namespace

PartialPath::PartialPath(const std::string& target, Kind kind) : target_(target) {
  remove_abandoned_partials(target);
  // The process id keeps two programs apart, the counter two writers of one program.
  static std::atomic<int> counter = 0;
  while (true) {
    path_ = text(target_, ".partial.", ::getpid(), ".", counter++);
    descriptor_ = open_partial(path_, kind);
    if (descriptor_ < 0 && errno == EEXIST) continue;
    if (descriptor_ < 0) throw_file_error("create", target_, errno);
    // Where the file system has no locks, nobody can take one either, and nothing is ever removed.
    lock(descriptor_, LOCK_EX);
    if (is_still(path_, descriptor_)) return;
    ::close(descriptor_);  // taken for abandoned before it was locked
  }
}

PartialPath::~PartialPath() {
  if (descriptor_ < 0) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(descriptor_);
}

PartialPath::PartialPath(PartialPath&& other) noexcept
    : target_(std::move(other.target_)),
      path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

void PartialPath::publish() {
  if (::rename(path_.c_str(), target_.c_str()) != 0) throw_file_error("rename to", target_, errno);
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0 && errno != EINTR) throw_file_error("close", target_, errno);
}

FolderLock::FolderLock(const std::string& folder, const std::string& doing)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw_file_error("open", folder, errno);
  if (lock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw Error(text(folder, ": another process is ", doing, " here; let it finish"));
}

FolderLock::~FolderLock() { ::close(descriptor_); }

void remove_abandoned_partials(const std::string& target) {
  const fs::path path(target);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string prefix = path.filename().string() + ".partial.";
  std::error_code error;
  // A folder that cannot be read is no reason not to write into it.
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(prefix)) remove_if_abandoned(entry->path().string());
  }
}

}  // namespace lf
