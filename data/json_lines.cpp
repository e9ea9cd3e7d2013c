#include "data/json_lines.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "core/file_kinds.h"

namespace lf {

JsonLines::JsonLines(const std::string& path) : JsonLines(path, std::make_unique<ByteSource>(path)) {}

JsonLines::JsonLines(const std::string& path, std::unique_ptr<ByteSource> source)
    : path_(path), source_(std::move(source)), chunk_(kReadAtOnce) {}

bool JsonLines::fill() {
  const bool first = end_ == 0;
  begin_ = 0;
  end_ = source_->read(chunk_);
  if (first) begin_ = text_begin(path_, as_text({chunk_.data(), end_}));
  return end_ > begin_;
}

void JsonLines::check_length(size_t bytes, size_t more) const {
  CHECK(bytes <= static_cast<size_t>(kLongestJsonLine) + more, path_, ':', number_,
        ": the line is longer than ", kLongestJsonLine >> 20,
        " MiB, the longest that is read; make several records of it");
}

// The chunk's next bytes, which lie within the line or its end.
void JsonLines::append(JsonLine& line, size_t bytes) {
  check_length(line.text.size() + bytes, 1);  // which may be the "\r" of a line end
  line.text.append(reinterpret_cast<const char*>(chunk_.data()) + begin_, bytes);
  begin_ += bytes;
}

bool JsonLines::next(JsonLine& line) {
  line.text.clear();
  if (begin_ == end_ && !fill()) return false;
  line.number = ++number_;
  line.terminated = false;
  while (!line.terminated && (begin_ < end_ || fill())) {
    const uint8_t* const begin = chunk_.data() + begin_;
    const void* const found = std::memchr(begin, '\n', end_ - begin_);
    line.terminated = found != nullptr;
    append(line, found ? static_cast<size_t>(static_cast<const uint8_t*>(found) - begin) : end_ - begin_);
    if (found) ++begin_;
  }
  if (line.text.ends_with('\r')) line.text.pop_back();
  check_length(line.text.size(), 0);
  return true;
}

bool JsonLines::next_record(JsonLine& line) {
  while (next(line)) {
    if (!line.blank()) return true;
  }
  return false;
}

}  // namespace lf
