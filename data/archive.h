// The files in an archive, zip or tar.gz, one after the other and never unpacked to disk.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lf {

// Whether a file of this name is read as an archive: .zip, .tar.gz and .tgz, in letters of either size.
bool is_archive_name(std::string_view name);

class ArchiveReader {
 public:
  // A zip archive is told by its name or its first bytes, all else is read as a tar.gz. Throws Error for a
  // file that is missing, a folder or no archive of its kind; a zip archive without its directory was cut
  // short.
  explicit ArchiveReader(const std::string& path);
  ~ArchiveReader();
  ArchiveReader(ArchiveReader&&) noexcept;

  bool is_zip() const;

  // Goes on to the next file; false behind the last, when a tar.gz was read and compared with its checksum to
  // its end. Folders and hidden names are passed over (see is_hidden_name). Throws Error for damaged archives
  // and for encrypted members, links and others that have no content.
  bool next();

  // Of the file that next() came to.
  const std::string& name() const;  // with its folders, as the archive has it
  int64_t size() const;             // in bytes, as the archive states it

  // Fills `out` with the file's next bytes; fewer than its size only at its end. Throws Error for damaged
  // members, and when the size or a checksum is not as stated.
  size_t read(std::span<uint8_t> out);
  // All that is left of the file; throws Error when it states more than `most` bytes.
  std::string read_rest(int64_t most);

  // Bytes of the archive on disk that were read so far.
  int64_t bytes_read() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The name and size of the archive's only file. Throws Error when it has none or several; lists the first.
struct ArchiveMember {
  std::string name;
  int64_t size = 0;
};
ArchiveMember only_member(const std::string& path);

}  // namespace lf
