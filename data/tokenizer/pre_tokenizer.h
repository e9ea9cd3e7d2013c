// GPT-2's pattern: cuts text into the pieces inside which byte pairs are merged.
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#pragma once

#include <string_view>

namespace lf {

// The end of the piece that begins at `begin` < `end`; the text between must be valid UTF-8. `end` is where
// the text ends for the pattern's look-ahead.
const char* piece_end(const char* begin, const char* end);

// Where the white space at the end of the text begins, and how much there is at its beginning.
size_t trailing_space_begin(std::string_view text);
size_t leading_space_end(std::string_view text);

}  // namespace lf
