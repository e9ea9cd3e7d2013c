#include "data/tokenizer/unicode_classes.h"

#include <algorithm>
#include <vector>

namespace lf {
namespace {

struct CodePointRange {
  char32_t first, last;
};

#include "data/tokenizer/unicode_ranges.inc"

template <int N>
void fill(std::vector<CharClass>& table, const CodePointRange (&ranges)[N], CharClass value) {
  for (const CodePointRange& range : ranges) {
    std::fill(table.begin() + range.first, table.begin() + range.last + 1, value);
  }
}

std::vector<CharClass> make_table() {
  std::vector<CharClass> table(0x110000, CharClass::kOther);
  fill(table, kLetters, CharClass::kLetter);
  fill(table, kNumbers, CharClass::kNumber);
  fill(table, kWhiteSpace, CharClass::kSpace);
  return table;
}

}  // namespace

const CharClass* char_classes() {
  static const std::vector<CharClass> table = make_table();
  return table.data();
}

}  // namespace lf
