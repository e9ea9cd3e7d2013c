#include "data/tasks/conll_lines.h"

#include <algorithm>
#include <cstddef>

namespace lf {
namespace {

constexpr const char* kBlanks = " \t";

}  // namespace

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

std::vector<std::string_view> split_at_blanks(std::string_view row) {
  std::vector<std::string_view> fields;
  for (size_t at = row.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = std::min(row.find_first_of(kBlanks, at), row.size());
    fields.push_back(row.substr(at, end - at));
    at = row.find_first_not_of(kBlanks, end);
  }
  return fields;
}

std::vector<std::string_view> split_at(std::string_view row, std::string_view separator) {
  std::vector<std::string_view> fields;
  for (size_t at = 0;;) {
    const size_t end = row.find(separator, at);
    fields.push_back(row.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return fields;
    at = end + separator.size();
  }
}

}  // namespace lf
