// The bytes of a file in order, whatever holds them: a file, a pipe, standard input, gzip data.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/files.h"
#include "data/gzip.h"

namespace lf {

class ByteSource {
 public:
  enum class Packing { kNone, kGzip };

  // "-" is standard input. Throws Error when the file cannot be opened or is a folder.
  explicit ByteSource(const std::string& path, Packing packing = Packing::kNone);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Fills `out` with the bytes that follow; fewer than its size only at the end.
  size_t read(std::span<uint8_t> out);

  // Bytes of the file on disk that were read so far.
  int64_t bytes_read() const;

 private:
  std::string path_;
  std::optional<MappedFile> packed_;
  std::optional<GzipReader> gzip_;
  int descriptor_ = -1;
  int64_t bytes_read_ = 0;
};

}  // namespace lf
