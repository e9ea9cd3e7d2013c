#include "data/tokenizer/utf8.h"

#include <algorithm>
#include <cstring>

namespace lf {
namespace {

// What may follow a first byte: how many bytes, and the bounds of the second (they exclude overlong forms,
// surrogates and code points above 0x10FFFF).
struct Continuation {
  size_t bytes = 0;
  uint8_t low = 0x80, high = 0xBF;
};

Continuation continuation_of(uint8_t first) {
  if (first >= 0xC2 && first <= 0xDF) return {1};
  if (first == 0xE0) return {2, 0xA0, 0xBF};
  if (first == 0xED) return {2, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {2};
  if (first == 0xF0) return {3, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return {3};
  if (first == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

// Bytes of ASCII from `at` on, found eight at a time.
size_t skip_ascii(std::string_view text, size_t at) {
  for (uint64_t word = 0; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if (word & 0x8080808080808080u) break;
  }
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

Utf8Step utf8_step(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  if (first < 0x80) return {1, true};
  const Continuation expected = continuation_of(first);
  if (expected.bytes == 0) return {1, false};
  uint8_t low = expected.low, high = expected.high;
  for (size_t i = 1; i <= expected.bytes; ++i) {
    if (at + i >= text.size()) return {i, false};
    const auto byte = static_cast<uint8_t>(text[at + i]);
    if (byte < low || byte > high) return {i, false};
    low = 0x80, high = 0xBF;
  }
  return {expected.bytes + 1, true};
}

size_t first_invalid_utf8(std::string_view text) {
  for (size_t at = skip_ascii(text, 0); at < text.size(); at = skip_ascii(text, at)) {
    const Utf8Step step = utf8_step(text, at);
    if (!step.valid) return at;
    at += step.bytes;
  }
  return text.size();
}

RepairedText::RepairedText(std::string_view original) {
  text_.reserve(original.size() + original.size() / 8);
  for (size_t at = 0; at < original.size();) {
    const Utf8Step step = utf8_step(original, at);
    if (step.valid) {
      text_.append(original, at, step.bytes);
    } else {
      replacements_.push_back(
          {static_cast<int64_t>(text_.size()), static_cast<int64_t>(at), static_cast<int64_t>(step.bytes)});
      text_ += kReplacementCharacter;
    }
    at += step.bytes;
  }
}

int64_t RepairedText::original_position(int64_t position, bool round_up) const {
  // The last replacement that begins before the position moves it.
  const auto after = std::lower_bound(replacements_.begin(), replacements_.end(), position,
                                      [](const Replacement& r, int64_t wanted) { return r.begin < wanted; });
  if (after == replacements_.begin()) return position;
  const Replacement& last = *(after - 1);
  const int64_t beyond = position - last.begin - static_cast<int64_t>(kReplacementCharacter.size());
  const int64_t end = last.original_begin + last.original_bytes;
  if (beyond >= 0) return end + beyond;
  return round_up ? end : last.original_begin;
}

}  // namespace lf
