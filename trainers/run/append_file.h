// A file that only grows, in whole pieces: each append is written completely or not at all, so a full disk or
// a failed write leaves what was there before. The run logs and the TensorBoard event files are written
// through it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lf {

class AppendFile {
 public:
  enum class Mode {
    kCreate,  // the file must not exist yet
    kExtend,  // an existing file is kept and extended
  };

  // Opens or creates the file; an Error names the path and the system's reason.
  AppendFile(std::string path, Mode mode);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Writes all the bytes at the end; on an Error (such as a full disk) the file keeps its former length.
  void append(std::string_view bytes);

  // Cuts the file to `length` bytes (no more than it has) and makes that durable.
  void truncate(int64_t length);

  // Returns once everything appended has reached the disk.
  void sync();

  // Up to `count` bytes from `offset` on; shorter only where the file ends.
  std::string read(int64_t offset, int64_t count) const;

  int64_t length() const { return length_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  int64_t length_ = 0;
  bool folder_synced_ = false;
};

}  // namespace lf
