// JSON lines: one record a line. The one reader for every file of records and documents.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/byte_source.h"

namespace lf {

// The longest line that is read, without its end: more than any book. Reading a line and a text in it takes
// twice its length of memory.
inline constexpr int64_t kLongestJsonLine = int64_t{256} << 20;

struct JsonLine {
  std::string text;        // without its end, "\n" or "\r\n"
  int64_t number = 0;      // from 1
  bool terminated = true;  // false for a last line that has no end

  bool blank() const { return text.find_first_not_of(" \t\r") == std::string::npos; }
};

class JsonLines {
 public:
  explicit JsonLines(const std::string& path);

  // `path` is for messages.
  JsonLines(const std::string& path, std::unique_ptr<ByteSource> source);

  // The next line; false at the end. Throws Error "PATH:LINE: ..." for one longer than kLongestJsonLine,
  // without holding more of it.
  bool next(JsonLine& line);
  // The next that is not blank.
  bool next_record(JsonLine& line);

  int64_t bytes_read() const { return source_->bytes_read(); }

 private:
  bool fill();
  void check_length(size_t bytes, size_t more) const;
  void append(JsonLine& line, size_t bytes);

  std::string path_;
  std::unique_ptr<ByteSource> source_;
  std::vector<uint8_t> chunk_;  // what was read last
  size_t begin_ = 0, end_ = 0;  // of it, what no line has yet
  int64_t number_ = 0;
};

}  // namespace lf
