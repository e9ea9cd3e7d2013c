// Added tokens ("<mask>"): found in the text before it is cut into pieces.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer_definition.h"

namespace lf {

// A part of a text: an added token with the white space that it takes along, or text between two (id
// kNoToken).
struct TextSection {
  static constexpr int32_t kNoToken = -1;
  int64_t begin, end;
  int32_t id;
};

class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(const std::vector<AddedToken>& tokens);

  // The sections of the text in order; an empty text has none. Of the tokens that begin at one place the
  // longest is taken, and those with normalized = false are looked for first.
  std::vector<TextSection> split(std::string_view text) const;

 private:
  // The tokens of one pass, longest first among those with the same first byte, and what those bytes are.
  struct Pass {
    std::array<std::vector<AddedToken>, 256> beginning_with;
    std::string first_bytes;

    size_t next_begin(std::string_view text, size_t at) const;  // or the text's end
    const AddedToken* token_at(std::string_view text, size_t at) const;
  };

  static void split_section(const Pass& pass, std::string_view text, const TextSection& section,
                            std::vector<TextSection>& sections);

  std::array<Pass, 2> passes_;
};

}  // namespace lf
