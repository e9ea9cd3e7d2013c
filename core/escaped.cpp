#include "core/escaped.h"

#include <nlohmann/json.hpp>

namespace lf {

using nlohmann::json;

std::string escaped(std::string_view shown) {
  constexpr size_t kLongest = 120;
  std::string kept(shown.substr(0, kLongest));
  if (shown.size() > kLongest) kept += "...";
  return json(kept).dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string hex_byte(uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'0', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

bool is_utf8(std::string_view shown) {
  try {
    static_cast<void>(json(std::string(shown)).dump());
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace lf
