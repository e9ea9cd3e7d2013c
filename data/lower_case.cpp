#include "data/lower_case.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

// The characters first, first + step, ..., last, of each of which the small letter is `change` further on.
struct LowerRun {
  char32_t first, last;
  int32_t step, change;
};

#include "data/lower_case.inc"

constexpr char32_t kSigma = 0x3A3, kFinalSigma = 0x3C2, kDottedCapital = 0x130;
constexpr std::string_view kDottedSmall = "i\xCC\x87";

char32_t small_letter(char32_t letter) {
  const auto run = std::partition_point(std::begin(kLowerRuns), std::end(kLowerRuns),
                                        [&](const LowerRun& one) { return one.last < letter; });
  if (run == std::end(kLowerRuns) || letter < run->first) return letter;
  if ((letter - run->first) % static_cast<char32_t>(run->step) != 0) return letter;
  return static_cast<char32_t>(static_cast<int32_t>(letter) + run->change);
}

void append_utf8(char32_t code, std::string& text) {
  const auto byte = [&](char32_t value) { text += static_cast<char>(value); };
  const auto tail = [&](int shift) { byte(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) return byte(0xC0 | code >> 6), tail(0);
  if (code < 0x10000) return byte(0xE0 | code >> 12), tail(6), tail(0);
  byte(0xF0 | code >> 18), tail(12), tail(6), tail(0);
}

bool is_letter_at(std::string_view text, size_t at) {
  size_t bytes = 0;
  return at < text.size() && char_classes()[decode_valid_utf8(text.data() + at, bytes)] == CharClass::kLetter;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string small;
  small.reserve(text.size());
  bool after_letter = false;
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) {
    const char32_t letter = decode_valid_utf8(text.data() + at, bytes);
    if (letter == kDottedCapital) {
      small += kDottedSmall;
    } else if (letter == kSigma && after_letter && !is_letter_at(text, at + bytes)) {
      append_utf8(kFinalSigma, small);
    } else {
      append_utf8(small_letter(letter), small);
    }
    after_letter = is_letter_at(text, at);
  }
  return small;
}

}  // namespace lf
