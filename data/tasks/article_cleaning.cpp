#include "data/tasks/article_cleaning.h"

#include <array>
#include <cstddef>

#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

using Characters = std::u32string;

Characters decode(std::string_view text) {
  Characters characters;
  characters.reserve(text.size());
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes)
    characters += decode_valid_utf8(text.data() + at, bytes);
  return characters;
}

std::string encode(const Characters& characters) {
  std::string text;
  text.reserve(characters.size());
  const auto more = [&text](char32_t bits) { text += static_cast<char>(0x80 | (bits & 0x3F)); };
  for (const char32_t c : characters) {
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else if (c < 0x800) {
      text += static_cast<char>(0xC0 | c >> 6), more(c);
    } else if (c < 0x10000) {
      text += static_cast<char>(0xE0 | c >> 12), more(c >> 6), more(c);
    } else {
      text += static_cast<char>(0xF0 | c >> 18), more(c >> 12), more(c >> 6), more(c);
    }
  }
  return text;
}

bool is_ascii_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char32_t c) { return char_classes()[c] == CharClass::kSpace; }
bool is_stop(char32_t c) { return c == '!' || c == '?' || c == '.'; }
bool is_in_word(char32_t c) {
  return c == '_' || char_classes()[c] == CharClass::kLetter || char_classes()[c] == CharClass::kNumber;
}

// Behind the characters from `at` on of which `is` holds.
template <class Is>
size_t behind(const Characters& text, size_t at, Is is) {
  while (at < text.size() && is(text[at])) ++at;
  return at;
}

Characters without_slashed_words(const Characters& text) {
  Characters kept;
  for (size_t at = 0; at < text.size();) {
    const size_t slash = behind(text, at, is_ascii_letter);
    const size_t second = slash < text.size() && text[slash] == '/' ? slash + 1 : slash;
    const size_t end = behind(text, second, is_ascii_letter);
    if (slash > at && second > slash && end > second) {
      kept += ' ';
      at = end;
    } else {
      const size_t next = slash > at ? slash : at + 1;
      kept.append(text, at, next - at);
      at = next;
    }
  }
  return kept;
}

void remove_all(Characters& text, const Characters& what) {
  for (size_t at = 0; (at = text.find(what, at)) != Characters::npos;) text.erase(at, what.size());
}

// What begins with `begin`, unless white space follows at once.
Characters without_words(const Characters& text, const Characters& begin) {
  Characters kept;
  size_t from = 0;
  for (size_t at = 0; (at = text.find(begin, at)) != Characters::npos;) {
    const size_t end = behind(text, at + begin.size(), [](char32_t c) { return !is_space(c); });
    if (end > at + begin.size()) {
      kept.append(text, from, at - from);
      from = end;
    }
    at = end;
  }
  return kept.append(text, from);
}

// Every stretch of which `is` holds as its last character, or as `instead`.
template <class Is>
Characters with_single(const Characters& text, Is is, char32_t instead = 0) {
  Characters kept;
  for (size_t at = 0; at < text.size();) {
    const size_t end = behind(text, at, is);
    kept += end == at ? text[at] : instead != 0 ? instead : text[end - 1];
    at = end == at ? at + 1 : end;
  }
  return kept;
}

Characters with_short_words(const Characters& text) {
  const auto in_word = [&](size_t at) { return at < text.size() && is_in_word(text[at]); };
  const auto is_border = [&](size_t at) { return (at > 0 && in_word(at - 1)) != in_word(at); };
  Characters kept;
  bool behind_border = false;  // since the last white space
  for (size_t at = 0, end = 0; at < text.size(); at = end) {
    const char32_t repeated = text[at];
    end = behind(text, at, [repeated](char32_t c) { return c == repeated; });
    behind_border = !is_space(repeated) && (behind_border || is_border(at));
    const bool shortened = behind_border && end - at >= 3 && is_border(end);
    kept.append(shortened ? 1 : end - at, repeated);
  }
  return kept;
}

}  // namespace

std::string clean_article(std::string_view text) {
  Characters cleaned = without_slashed_words(decode(text));
  for (char32_t& c : cleaned) c = c == '\n' ? ' ' : c;
  remove_all(cleaned, U"&#160;");
  for (const char32_t* const begin : {U"http", U"www", U"href"}) cleaned = without_words(cleaned, begin);
  cleaned = with_single(cleaned, is_space, ' ');
  cleaned = with_short_words(with_single(cleaned, is_stop));
  const size_t begin = cleaned.find_first_not_of(U' ');
  if (begin == Characters::npos) return "";
  return encode(cleaned.substr(begin, cleaned.find_last_not_of(U' ') - begin + 1));
}

}  // namespace lf
