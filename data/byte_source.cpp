#include "data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/check.h"
#include "core/file_kinds.h"

namespace lf {

namespace {
constexpr size_t kLooked = 1024;  // bytes that say what a file is
}

std::string unpacked_name(const std::string& path) {
  if (is_archive_name(path)) return only_member(path).name;
  return has_ending(path, ".gz") ? path.substr(0, path.size() - 3) : path;
}

ByteSource::Packing ByteSource::promised_packing(std::string_view name) {
  if (is_archive_name(name)) return Packing::kArchive;
  return has_ending(name, ".gz") ? Packing::kGzip : Packing::kNone;
}

ByteSource::Packing ByteSource::packing_of(const std::string& path) {
  struct stat status = {};
  if (path == "-" || (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))) return Packing::kNone;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) throw_file_error("open", path, errno);
  std::array<uint8_t, kLooked> begin = {};
  const ssize_t size = ::pread(file, begin.data(), begin.size(), 0);
  ::close(file);
  if (size < 0) return Packing::kNone;  // reading says why
  const std::span<const uint8_t> bytes(begin.data(), static_cast<size_t>(size));
  refuse_git_lfs_pointer(path, bytes);
  // What a name promises must be there, or the file was cut short or is another.
  if (const Packing promised = promised_packing(path); promised != Packing::kNone) return promised;
  if (is_zip(bytes)) return Packing::kArchive;
  return is_gzip(bytes) ? Packing::kGzip : Packing::kNone;
}

ByteSource::ByteSource(const std::string& path, Packing packing) : path_(path) {
  if (packing == Packing::kGzip) {
    packed_.emplace(path);
    gzip_.emplace(path, packed_->bytes());
  } else if (packing == Packing::kArchive) {
    only_member(path);
    archive_ = &own_archive_.emplace(path);
    archive_->next();
  } else if (path == "-") {
    descriptor_ = STDIN_FILENO;
  } else {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) throw_file_error("open", path, errno);
  }
}

ByteSource::~ByteSource() {
  if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
}

size_t ByteSource::read(std::span<uint8_t> out) {
  if (gzip_) return gzip_->read(out);
  if (archive_) return archive_->read(out);
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t size = ::read(descriptor_, out.data() + done, out.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw_file_error("read", path_ == "-" ? "standard input" : path_, errno);
    if (size == 0) break;
    done += static_cast<size_t>(size);
  }
  bytes_read_ += static_cast<int64_t>(done);
  return done;
}

std::string ByteSource::read_rest(size_t most) {
  std::string content;
  while (content.size() < most) {
    const size_t before = content.size(), wanted = std::min(kReadAtOnce, most - before);
    content.resize(before + wanted);
    const size_t size = read({reinterpret_cast<uint8_t*>(content.data()) + before, wanted});
    content.resize(before + size);
    if (size < wanted) break;
  }
  return content;
}

int64_t ByteSource::bytes_read() const {
  if (archive_) return archive_->bytes_read();
  return gzip_ ? gzip_->packed_bytes_read() : bytes_read_;
}

}  // namespace lf
