// Text from a file as it may be shown to a user.
#pragma once

#include <string>
#include <string_view>

namespace lf {

// In quotation marks, control characters and broken UTF-8 escaped, cut after 120 bytes.
std::string escaped(std::string_view shown);

bool is_utf8(std::string_view shown);

}  // namespace lf
