#include "core/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/failpoint.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "core/messages.h"

namespace lf {
namespace {

// A descriptor closed on every way out of a function.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return value_; }

 private:
  int value_;
};

const char* advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "; the disk is full: free some space or choose another folder";
    case EDQUOT:
      return "; your disk quota is used up: free some space or choose another folder";
    case EFBIG:
      return "; the file would exceed the size limit of this process or file system";
    case EPIPE:
      return "; the reader is gone";
    case EROFS:
      return "; the file system is read-only: choose another folder";
    case EACCES:
    case EPERM:
      return "; check the owner and rights of the file and its folder";
    case ENOTDIR:
      return "; something on the way there is a file, not a folder";
    case ELOOP:
      return "; symbolic links on the way there lead in a circle, or stand where none may be";
    case ENAMETOOLONG:
      return "; choose a shorter name";
    default:
      return "";
  }
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::span<const uint8_t> as_bytes(std::string_view content) {
  return {reinterpret_cast<const uint8_t*>(content.data()), content.size()};
}

// A folder of the target's name would be replaced by nothing but a folder.
const std::string& replaceable(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return path;
  CHECK(!S_ISDIR(status.st_mode), "cannot write ", path, ": a folder of that name is in the way");
  CHECK(S_ISREG(status.st_mode), "cannot write ", path, ": it is a device or a pipe; name a file");
  return path;
}

}  // namespace

std::string reason(int error_number) {
  const char* name = strerrorname_np(error_number);
  return text(std::generic_category().message(error_number), " (",
              name ? name : std::to_string(error_number).c_str(), ")", advice(error_number));
}

std::string reason(const std::string& path, int error_number) {
  const std::string link = error_number == ENOENT ? broken_link(path) : "";
  return link.empty() ? reason(error_number) : "it is " + link;
}

void throw_file_error(const std::string& action, const std::string& path, int error_number) {
  throw Error(text("cannot ", action, " ", path, ": ", reason(path, error_number)));
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: opening a pipe nobody writes to must not hang before the check below refuses it.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file < 0) throw_file_error("open", path, errno);
  struct stat status = {};
  if (::fstat(file, &status) != 0) throw_file_error("read", path, errno);
  CHECK(!S_ISDIR(status.st_mode), path, " is a folder, needed a file");
  CHECK(S_ISREG(status.st_mode), path,
        " is a pipe or a device, which is read only once: save what it gives in a file and name that");
  if (status.st_size == 0) return;
  const auto size = static_cast<size_t>(status.st_size);
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (address == MAP_FAILED) throw_file_error("map", path, errno);
  bytes_ = {static_cast<const uint8_t*>(address), size};
  try {
    refuse_git_lfs_pointer(path, bytes_);
  } catch (...) {  // no destructor runs for what was not made
    ::munmap(address, size);
    throw;
  }
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

void MappedFile::release(std::span<const uint8_t> part) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size()) / page * page;
  // Only a hint: what it says to fail changes nothing but memory.
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), partial_(replaceable(path_), PartialPath::Kind::kFile) {}

void AtomicFile::write_range(int64_t offset, std::span<const uint8_t> bytes) {
  CHECK(partial_.descriptor() >= 0, "write to ", path_, ": the file was already committed");
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(partial_.descriptor(), bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_file_error("write", path_, errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += written;
  }
}

void AtomicFile::write(std::span<const uint8_t> bytes) {
  write_range(size_, bytes);
  size_ += static_cast<int64_t>(bytes.size());
}

void AtomicFile::write(std::string_view bytes) { write(as_bytes(bytes)); }

void AtomicFile::overwrite(int64_t offset, std::span<const uint8_t> bytes) {
  CHECK(offset >= 0 && offset + static_cast<int64_t>(bytes.size()) <= size_, "overwrite ", path_, ": ",
        bytes.size(), " bytes at ", offset, " do not lie within the ", size_, " bytes written");
  write_range(offset, bytes);
}

void AtomicFile::commit() {
  CHECK(partial_.descriptor() >= 0, "commit of ", path_, ": the file was already committed");
  if (::fsync(partial_.descriptor()) != 0) throw_file_error("write", path_, errno);
  partial_.publish();
  sync_folder(folder_of(path_));
}

void reach_write(const char* place, const std::string& path) {
  if (const int error = failpoint(place)) throw_file_error("write", path, error);
}

void write_file_atomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string read_file(const std::string& path) {
  const MappedFile file(path);
  return {file.bytes().begin(), file.bytes().end()};
}

std::string read_text_file(const std::string& path) {
  const MappedFile file(path);
  const std::string_view content = as_text(file.bytes());
  return std::string(content.substr(text_begin(path, content)));
}

void sync_folder(const std::string& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder may be writable but not readable; its entries then cannot be forced out, only left to the
  // system.
  if (descriptor < 0 && errno == EACCES) return;
  if (descriptor < 0) throw_file_error("open", folder, errno);
  if (::fsync(descriptor) == 0) return;
  const int error = errno;
  // Some network file systems do not know fsync of folders: there is nothing more to do there.
  if (error != EINVAL && error != ENOSYS && error != EOPNOTSUPP) throw_file_error("write", folder, error);
  static std::once_flag said;
  std::call_once(said, [&] {
    messages::warning(text("the file system of ", folder, " cannot force out its entries (", reason(error),
                           "): what was just saved may be lost in a power cut"));
  });
}

bool create_folders(const std::string& folder) {
  std::error_code error;
  const bool created = std::filesystem::create_directories(folder, error);
  if (error) throw_file_error("create the folder", folder, error.value());
  return created;
}

}  // namespace lf
