// The four classes of characters that the GPT-2 pattern tells apart, for every code point of Unicode 16.
#pragma once

#include <cstdint>

namespace lf {

enum class CharClass : uint8_t { kOther, kLetter, kNumber, kSpace };

// One entry for each code point below 0x110000: \p{L}, \p{N}, \s (the property White_Space) or none of them.
// The table is compiled in, so that ids do not depend on the version of Unicode that a system's libraries
// know.
const CharClass* char_classes();

}  // namespace lf
