// The bytes of a file in order, whatever holds them: a file, a pipe, standard input, gzip data, an archive.
// The one place where sources of text are opened.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/files.h"
#include "data/archive.h"
#include "data/gzip.h"

namespace lf {

// The name of what is packed: an archive's only file, gzip data without their ending; other names as they
// are.
std::string unpacked_name(const std::string& path);

// Bytes that readers of such sources ask for at once.
inline constexpr size_t kReadAtOnce = 1 << 18;

class ByteSource {
 public:
  // kArchive: the only file in a zip or tar.gz archive.
  enum class Packing { kNone, kGzip, kArchive };

  // What the file's name promises: .gz, .zip, .tar.gz and .tgz.
  static Packing promised_packing(std::string_view name);
  // The same, or where the name promises nothing what the first bytes are. Standard input and pipes, which
  // cannot be read twice, count as not packed. Throws Error when the file cannot be opened.
  static Packing packing_of(const std::string& path);

  // "-" is standard input. Throws Error when the file cannot be opened, is a folder or a Git LFS pointer, and
  // for an archive of several files.
  explicit ByteSource(const std::string& path) : ByteSource(path, packing_of(path)) {}
  ByteSource(const std::string& path, Packing packing);
  // The rest of the archive's current file; `archive` must outlive the source and not go on meanwhile.
  explicit ByteSource(ArchiveReader& archive) : archive_(&archive) {}
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Fills `out` with the bytes that follow; fewer than its size only at the end.
  size_t read(std::span<uint8_t> out);

  // What follows to the end, of `most` bytes at most.
  std::string read_rest(size_t most);

  // Bytes of the file on disk that were read so far.
  int64_t bytes_read() const;

 private:
  std::string path_;
  std::optional<MappedFile> packed_;
  std::optional<GzipReader> gzip_;
  std::optional<ArchiveReader> own_archive_;
  ArchiveReader* archive_ = nullptr;
  int descriptor_ = -1;
  int64_t bytes_read_ = 0;
};

}  // namespace lf
