// JSON as configuration files must have it: every error has a place, no key appears twice.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lf {

// Throws Error "PATH:LINE:COLUMN: ..." for what is not JSON, and Error naming the key that an object has
// twice.
nlohmann::json parse_strict_json(std::string_view content, const std::string& path);

// Text from a file as it may be shown: quoted, unprintable characters escaped, of bounded length.
std::string quoted_text(std::string_view shown);

}  // namespace lf
