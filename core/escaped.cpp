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

bool is_utf8(std::string_view shown) {
  try {
    static_cast<void>(json(std::string(shown)).dump());
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace lf
