#include "data/tokenizer/pre_tokenizer.h"

#include <array>

#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

constexpr std::array<CharClass, 128> ascii_classes() {
  std::array<CharClass, 128> table{};
  for (size_t c = 0; c < table.size(); ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) table[c] = CharClass::kLetter;
    if (c >= '0' && c <= '9') table[c] = CharClass::kNumber;
    if (c == ' ' || (c >= '\t' && c <= '\r')) table[c] = CharClass::kSpace;
  }
  return table;
}
constexpr std::array<CharClass, 128> kAscii = ascii_classes();

// The class of the character at p and its bytes.
inline CharClass class_at(const char* p, size_t& bytes) {
  const auto first = static_cast<uint8_t>(*p);
  if (first < 0x80) {
    bytes = 1;
    return kAscii[first];
  }
  static const CharClass* const classes = char_classes();
  return classes[decode_valid_utf8(p, bytes)];
}

// The first character from p on that is not of the class.
inline const char* skip(const char* p, const char* end, CharClass wanted) {
  for (size_t bytes = 0; p < end && class_at(p, bytes) == wanted;) p += bytes;
  return p;
}

// The length of an English ending that begins with the apostrophe at p, or 0.
inline int contraction(const char* p, const char* end) {
  if (end - p < 2) return 0;
  const char a = p[1];
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if (end - p < 3) return 0;
  const char b = p[2];
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// \s+(?!\S)|\s+: all white space at the end of the text, otherwise all but the last character of it, if that
// leaves any.
const char* space_end(const char* begin, const char* end) {
  const char* p = begin;
  const char* last = begin;
  for (size_t bytes = 0; p < end && class_at(p, bytes) == CharClass::kSpace; p += bytes) last = p;
  return p == end || last == begin ? p : last;
}

}  // namespace

const char* piece_end(const char* begin, const char* end) {
  if (*begin == '\'') {
    const int length = contraction(begin, end);
    if (length > 0) return begin + length;
  }
  const char* p = begin;
  size_t bytes = 0;
  if (*p == ' ' && p + 1 < end && class_at(p + 1, bytes) != CharClass::kSpace) ++p;
  const CharClass first = class_at(p, bytes);
  if (first == CharClass::kSpace) return space_end(p, end);
  return skip(p + bytes, end, first);
}

size_t trailing_space_begin(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t at = begin - 1;
    while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
    size_t bytes = 0;
    if (class_at(text.data() + at, bytes) != CharClass::kSpace) break;
    begin = at;
  }
  return begin;
}

size_t leading_space_end(std::string_view text) {
  return static_cast<size_t>(skip(text.data(), text.data() + text.size(), CharClass::kSpace) - text.data());
}

}  // namespace lf
