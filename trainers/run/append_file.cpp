// Whole-piece appends over POSIX files; see append_file.h.
#include "trainers/run/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "core/check.h"
#include "core/files.h"

namespace lf {

AppendFile::AppendFile(std::string path, Mode mode) : path_(std::move(path)) {
  const int creation = mode == Mode::kCreate ? O_CREAT | O_EXCL : O_CREAT;
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | creation, 0644);
  if (descriptor_ < 0) throw_file_error("open", path_, errno);
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw Error(text(path_, ": expected a regular file to append to"));
  }
  length_ = status.st_size;
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::append(std::string_view bytes) {
  int64_t end = length_;
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), end);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int reason = written == 0 ? ENOSPC : errno;
      // Best effort: should this fail too, the next append overwrites the torn piece.
      (void)!::ftruncate(descriptor_, length_);
      throw_file_error("append to", path_, reason);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
    end += written;
  }
  length_ = end;
}

void AppendFile::truncate(int64_t length) {
  CHECK(length >= 0 && length <= length_, path_, ": cannot be cut to ", length, " bytes, it has ", length_);
  if (::ftruncate(descriptor_, length) != 0) throw_file_error("truncate", path_, errno);
  length_ = length;
  sync();
}

void AppendFile::sync() {
  if (::fsync(descriptor_) != 0) throw_file_error("sync", path_, errno);
  struct stat open = {}, there = {};
  const bool in_place = ::fstat(descriptor_, &open) == 0 && ::lstat(path_.c_str(), &there) == 0 &&
                        open.st_dev == there.st_dev && open.st_ino == there.st_ino;
  CHECK(in_place, path_, " was removed or replaced while it was being written; put it back");
  if (folder_synced_) return;
  // The file may be new, and then it survives a power cut only together with its folder's entry.
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  sync_folder(folder.empty() ? "." : folder);
  folder_synced_ = true;
}

std::string AppendFile::read(int64_t offset, int64_t count) const {
  std::string bytes(static_cast<size_t>(count), '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::pread(descriptor_, bytes.data() + filled, bytes.size() - filled,
                                offset + static_cast<int64_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_file_error("read", path_, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace lf
