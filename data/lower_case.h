// Small letters as Python makes them: what the published scorers of answers compare.
#pragma once

#include <string>
#include <string_view>

namespace lf {

// str.lower() of a text, which must be valid UTF-8: a capital of any script becomes its small letter, U+0130
// "i" and a dot. A capital sigma behind a letter and before none is the final one.
std::string lower_case(std::string_view text);

}  // namespace lf
