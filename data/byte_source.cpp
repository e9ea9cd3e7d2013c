#include "data/byte_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/check.h"

namespace lf {

ByteSource::Packing ByteSource::packing_of(std::string_view name) {
  if (is_archive_name(name)) return Packing::kArchive;
  return name.ends_with(".gz") ? Packing::kGzip : Packing::kNone;
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

int64_t ByteSource::bytes_read() const {
  if (archive_) return archive_->bytes_read();
  return gzip_ ? gzip_->packed_bytes_read() : bytes_read_;
}

}  // namespace lf
