#include "data/tokenizer/strict_json.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "core/check.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr int kDeepest = 32;  // a tokenizer.json nests eight deep

class KeyWatch {
 public:
  explicit KeyWatch(const std::string& path) : path_(path) {}

  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    using Event = json::parse_event_t;
    CHECK(depth < kDeepest, path_, ": nested more than ", kDeepest, " deep");
    if (event == Event::object_start) {
      keys_.resize(static_cast<size_t>(depth) + 2);
      keys_.back().clear();
    } else if (event == Event::key) {
      const std::string& key = parsed.get_ref<const std::string&>();
      CHECK(keys_[static_cast<size_t>(depth)].insert(key).second, path_, ": ", quoted_text(key),
            " appears twice in one object");
    }
    return true;
  }

 private:
  const std::string& path_;
  std::vector<std::unordered_set<std::string>> keys_;  // of the open objects, by depth
};

// "PATH:LINE:COLUMN" of a byte of the content, all counted from 1.
std::string place_in(std::string_view content, size_t byte, const std::string& path) {
  const std::string_view before = content.substr(0, std::min(byte > 0 ? byte - 1 : 0, content.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  return text(path, ':', line, ':', before.size() - line_begin + 1);
}

}  // namespace

std::string quoted_text(std::string_view shown) {
  constexpr size_t kLongest = 80;
  std::string part(shown.substr(0, kLongest));
  if (shown.size() > kLongest) part += "...";
  return json(part).dump(-1, ' ', false, json::error_handler_t::replace);
}

json parse_strict_json(std::string_view content, const std::string& path) {
  CHECK(!content.empty(), path, ": the file is empty");
  // The parser would take a zero byte for the end of its input.
  const size_t zero = content.find('\0');
  CHECK(zero == content.npos, place_in(content, zero + 1, path), ": not valid JSON: a zero byte");
  try {
    return json::parse(content, KeyWatch(path));
  } catch (const json::parse_error& error) {
    // Its own words quote the file at any length, bytes that are not text included.
    throw Error(place_in(content, error.byte, path) + ": not valid JSON");
  } catch (const json::exception&) {
    throw Error(path + ": holds a number that is too large");
  }
}

}  // namespace lf
