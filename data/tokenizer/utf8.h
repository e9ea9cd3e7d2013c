// UTF-8 as bytes: checking, and Python's errors="replace" for what is not UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lf {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// The bytes at text[at] that one decoded character stands for. Valid: one code point. Not valid: the longest
// prefix of a well-formed sequence (Unicode's "maximal subpart"), at least one byte, that becomes one U+FFFD.
struct Utf8Step {
  size_t bytes;
  bool valid;
};
Utf8Step utf8_step(std::string_view text, size_t at);

// The first byte that is not part of valid UTF-8, or text.size().
size_t first_invalid_utf8(std::string_view text);

// The code point of the valid sequence at `p` and its length in bytes.
inline char32_t decode_valid_utf8(const char* p, size_t& bytes) {
  const auto byte = [p](int i) { return static_cast<uint8_t>(p[i]); };
  const char32_t first = byte(0);
  if (first < 0x80) return bytes = 1, first;
  if (first < 0xE0) return bytes = 2, (first & 0x1F) << 6 | (byte(1) & 0x3F);
  if (first < 0xF0) return bytes = 3, (first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  bytes = 4;
  return (first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

// Valid UTF-8 made from any bytes, and the way back from its positions to those of the original.
class RepairedText {
 public:
  explicit RepairedText(std::string_view original);

  std::string_view text() const { return text_; }
  // The position in the original of a position in text(); inside a U+FFFD that stands for original bytes,
  // their begin, or with `round_up` their end.
  int64_t original_position(int64_t position, bool round_up) const;

 private:
  struct Replacement {
    int64_t begin;           // in text_
    int64_t original_begin;  // in the original
    int64_t original_bytes;
  };
  std::string text_;
  std::vector<Replacement> replacements_;
};

}  // namespace lf
