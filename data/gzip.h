// Unpacking gzip data piece by piece, however many members it consists of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lf {

class GzipReader {
 public:
  // `packed` must outlive the reader; `path` is for messages. Throws Error unless the data begin as gzip
  // does.
  GzipReader(std::string path, std::span<const uint8_t> packed);
  ~GzipReader();

  // Fills `out` with the bytes that follow; fewer than its size only at the end. Throws Error for damaged and
  // truncated data (the members' checksums are compared) and for other bytes behind the last member.
  size_t read(std::span<uint8_t> out);

  // Bytes of the packed data that were used so far.
  int64_t packed_bytes_read() const;

 private:
  struct State;
  bool at_end_of_member();

  std::string path_;
  std::span<const uint8_t> packed_;
  std::unique_ptr<State> state_;
};

}  // namespace lf
