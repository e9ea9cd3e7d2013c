// Text from files, which may hold anything, in messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lf {

// Text from a file as it may be shown to a user: in quotation marks, cut after 120 bytes, only ASCII:
// control characters, broken UTF-8 and everything else escaped.
std::string escaped(std::string_view shown);

// "0x0A", as a byte that is no letter is named.
std::string hex_byte(uint8_t byte);

bool is_utf8(std::string_view shown);

}  // namespace lf
