// Files: reading by memory map, writing that ends up whole or absent, and errors that name the path, the
// system's own words and its error code. An interrupted write never touches the file that was there before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/partial_path.h"

namespace lf {

// Throws Error "cannot ACTION PATH: system text (ENAME)", with advice where the user can act (full disk,
// rights).
[[noreturn]] void throw_file_error(const std::string& action, const std::string& path, int error_number);

// "system text (ENAME)", with the same advice.
std::string reason(int error_number);

// The same for a file: a link that leads nowhere is named with what it leads to.
std::string reason(const std::string& path, int error_number);

// A regular file mapped read-only for as long as the object lives; an empty file gives an empty span.
class MappedFile {
 public:
  // Throws Error when the file is missing, is a folder or device, may not be read, or is a Git LFS pointer.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const uint8_t> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }
  // Says that these of its bytes are not needed for now, so that they are no memory of the process's.
  void release(std::span<const uint8_t> part) const;

 private:
  std::string path_;
  std::span<const uint8_t> bytes_;
};

// A file written beside its destination as PATH.partial.PID.N (see partial_path.h); commit() makes it durable
// and renames it into place. Destroyed without commit(), it removes what it wrote. Every failure throws Error
// naming the destination.
class AtomicFile {
 public:
  // The destination's folder must exist; a destination that is itself a folder is an error.
  explicit AtomicFile(std::string path);

  // Appends the bytes.
  void write(std::span<const uint8_t> bytes);
  void write(std::string_view bytes);
  // Replaces bytes already written; the range must lie within size().
  void overwrite(int64_t offset, std::span<const uint8_t> bytes);
  // fsync, rename, fsync of the folder: after it the new content survives a power cut.
  void commit();

  int64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  // Where the bytes are until commit(), for reading back what was written.
  const std::string& temporary_path() const { return partial_.path(); }

 private:
  void write_range(int64_t offset, std::span<const uint8_t> bytes);

  std::string path_;
  PartialPath partial_;
  int64_t size_ = 0;
};

// A failpoint in a change of that file or folder: throws what the failing call would lead to.
void reach_write(const char* place, const std::string& path);

// Writes the whole file durably, or leaves what was there before.
void write_file_atomically(const std::string& path, std::string_view content);

// The whole content of a regular file.
std::string read_file(const std::string& path);

// The same of a file of text in UTF-8, without its byte order mark; throws Error that names what it is for
// anything else (see text_begin).
std::string read_text_file(const std::string& path);

// Makes entries created, renamed or removed in the folder survive a power cut.
void sync_folder(const std::string& folder);

// Creates the folder and its parents; true if the last one did not exist before.
bool create_folders(const std::string& folder);

}  // namespace lf
