// Text from files, which may hold anything, in messages.
#pragma once

#include <string>
#include <string_view>

namespace lf {

// Text from a file as it may be shown to a user: in quotation marks, cut after 120 bytes, only ASCII:
// control characters, broken UTF-8 and everything else escaped.
std::string escaped(std::string_view shown);

bool is_utf8(std::string_view shown);

}  // namespace lf
